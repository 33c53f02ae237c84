// kafkajs against a server. See `run`.
'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { randomUUID } = require('node:crypto')
const { Kafka, CompressionCodecs, CompressionTypes, ConfigResourceTypes, Partitioners, logLevel } = require('kafkajs')
const lz4 = require('lz4js')
const { ZstdCodec } = require('zstd-codec')

const env = process.env
const USER = 'alice'
const PASSWORD = env.INTEROP_PASSWORD
const TIME = 1_700_000_000_000
const MAX_MESSAGE_BYTES = 1_048_588

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
})
const zstd = new Promise((resolve) => ZstdCodec.run((codec) => resolve(new codec.Simple())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from((await zstd).decompress(buffer)),
})

const unique = (what) => `${what}-${randomUUID().slice(0, 13)}`
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const quiet = { logLevel: logLevel.NOTHING }
const few = { retry: { retries: 1, initialRetryTime: 50 } }
const kafka = (settings = {}) => new Kafka({ brokers: [env.INTEROP_BOOTSTRAP], clientId: 'suite', ...quiet, ...settings })
const own = kafka()

/** Runs `body` with a client that is connected, and disconnects it. */
async function using(client, body) {
  await client.connect()
  try {
    return await body(client)
  } finally {
    await client.disconnect()
  }
}

const admin = (body, on = own) => using(on.admin(few), body)
const partitioner = { createPartitioner: Partitioners.DefaultPartitioner }

async function create(topic, numPartitions = 1, configEntries = []) {
  const made = await admin((client) => client.createTopics({ topics: [{ topic, numPartitions, configEntries }] }))
  assert.ok(made, `${topic} was there already`)
  return topic
}

async function send(topic, messages, settings = {}, on = own) {
  const { compression, ...rest } = settings
  const producer = on.producer({ allowAutoTopicCreation: false, ...partitioner, ...rest })
  return using(producer, (client) => client.send({ topic, messages, compression, acks: -1 }))
}

/** The first `count` records of a topic, as a group of its own reads them; `begin` is told the consumer. */
async function take(topic, count, { on = own, settings = {}, begin = () => {}, groupId = unique('alone') } = {}) {
  const consumer = on.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 500, ...settings })
  return using(consumer, async (client) => {
    await client.subscribe({ topics: [topic], fromBeginning: true })
    const found = []
    const crashed = new Promise((_, reject) => client.on(client.events.CRASH, (event) => reject(event.payload.error)))
    crashed.catch(() => {})
    const all = async () => {
      const eachMessage = async ({ partition, message }) => found.push({ partition, came: Date.now(), ...message })
      await client.run({ autoCommit: false, eachMessage })
      await begin(client, found)
      await waitFor(() => found.length >= count)
    }
    await Promise.race([all(), crashed])
    assert.equal(found.length, count)
    return found
  })
}

async function metric(name, labels) {
  const text = await (await fetch(`http://${env.INTEROP_METRICS}/metrics`)).text()
  const rows = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
  return rows.reduce((sum, line) => sum + Number(line.split(' ').pop()), 0)
}

const rejects = (type, awaitable) =>
  assert.rejects(awaitable, (error) => {
    const types = [error.type, error.cause?.type, error.code, ...(error.errors ?? []).map((one) => one.type)]
    assert.ok(types.includes(type), `${type} was to be raised, and it was ${error.name} (${types}): ${error.message}`)
    return true
  })

const cases = []
const basic = (name, body) => cases.push({ name, body, basic: true })
const whole = (name, body) => cases.push({ name, body, basic: false })

basic('every compression keeps records as they are', async () => {
  const records = [
    { key: 'key', value: 'value', headers: {} },
    { key: null, value: 'no key', headers: {} },
    { key: 'tombstone', value: null, headers: {} },
    { key: '', value: '', headers: {} },
    { key: 'clé', value: Buffer.from([...Array(256).keys()]), headers: { trace: Buffer.from([0, 255]), empty: '' } },
    ...[...Array(60).keys()].map((n) => ({ key: `k${n}`, value: 'text that compresses '.repeat(8) + n, headers: { n: `${n}` } })),
  ]
  const bytes = (value) => (value === null ? null : Buffer.from(value))
  for (const codec of ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']) {
    const topic = await create(unique(`codec-${codec}`))
    const messages = records.map((record, n) => ({ ...record, timestamp: `${TIME + n}` }))
    const [sent] = await send(topic, messages, { compression: CompressionTypes[codec] })
    assert.equal(sent.baseOffset, '0')
    const found = await take(topic, records.length)
    found.forEach((message, n) => {
      const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, bytes(value)]))
      const expected = Object.fromEntries(Object.entries(records[n].headers).map(([name, value]) => [name, bytes(value)]))
      assert.deepEqual(
        [message.key, message.value, headers, message.offset, message.timestamp],
        [bytes(records[n].key), bytes(records[n].value), expected, `${n}`, `${TIME + n}`],
        codec,
      )
    })
  }
})

basic('a partition keeps the order of an idempotent producer', async () => {
  const topic = await create(unique('order'), 3)
  await using(own.producer({ idempotent: true, maxInFlightRequests: 5, ...partitioner }), async (client) => {
    for (let n = 0; n < 300; n += 30) {
      // Those of one partition are one request, and requests follow each other.
      const messages = [...Array(30).keys()].map((k) => ({ value: `${n + k}`, partition: (n + k) % 3 }))
      await client.send({ topic, messages })
    }
  })
  const found = await take(topic, 300)
  for (const partition of [0, 1, 2]) {
    const values = found.filter((message) => message.partition === partition).map((message) => Number(message.value))
    assert.deepEqual(values, [...Array(100).keys()].map((n) => partition + 3 * n))
  }
})

basic('topics are made, described, altered and deleted', async () => {
  const topic = await create(unique('admin'), 2, [{ name: 'retention.ms', value: '3600000' }])
  await admin(async (client) => {
    assert.ok((await client.listTopics()).includes(topic))
    assert.equal(await client.createTopics({ topics: [{ topic }] }), false, 'it is there already')
    await rejects('INVALID_TOPIC_EXCEPTION', client.createTopics({ topics: [{ topic: 'no spaces' }] }))
    const at = { type: ConfigResourceTypes.TOPIC, name: topic }
    const retention = async () => {
      const { resources } = await client.describeConfigs({ resources: [{ ...at, configNames: ['retention.ms'] }] })
      return resources[0].configEntries.find((entry) => entry.configName === 'retention.ms').configValue
    }
    assert.equal(await retention(), '3600000')
    const configEntries = [{ name: 'retention.ms', value: '60000' }]
    await client.alterConfigs({ validateOnly: false, resources: [{ ...at, configEntries }] })
    assert.equal(await retention(), '60000')
    await client.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    const { topics } = await client.fetchTopicMetadata({ topics: [topic] })
    assert.equal(topics[0].partitions.length, 5)
    const fewer = client.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    await rejects('INVALID_PARTITIONS', fewer)
    await client.deleteTopics({ topics: [topic] })
    await rejects('UNKNOWN_TOPIC_OR_PARTITION', client.deleteTopics({ topics: [topic] }))
    const { brokers } = await client.describeCluster()
    assert.deepEqual(brokers.map((one) => `${one.host}:${one.port}`), [env.INTEROP_BOOTSTRAP])
  })
})

basic('offsets by time, seek and deleted records', async () => {
  const topic = await create(unique('offsets'))
  for (let n = 0; n < 10; n += 1) await send(topic, [{ value: `${n}`, timestamp: `${TIME + 1000 * n}` }])
  await admin(async (client) => {
    const at = async (time) => (await client.fetchTopicOffsetsByTimestamp(topic, time))[0].offset
    assert.equal(await at(TIME + 2500), '3')
    assert.equal(await at(TIME + 99_999), '10', 'the end, where there is none so late')
    const begin = async (consumer, found) => {
      await waitFor(() => found.length === 10)
      consumer.seek({ topic, partition: 0, offset: '7' })
    }
    const found = await take(topic, 13, { begin })
    assert.deepEqual(found.slice(-3).map((message) => message.offset), ['7', '8', '9'])
    await client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
    const [{ low, high }] = await client.fetchTopicOffsets(topic)
    assert.deepEqual([low, high], ['4', '10'])
    assert.deepEqual((await take(topic, 6)).map((message) => message.offset), ['4', '5', '6', '7', '8', '9'])
  })
})

basic('committed offsets and their metadata stay', async () => {
  const [topic, groupId] = [await create(unique('commit'), 2), unique('group')]
  await send(topic, [...Array(10).keys()].map((n) => ({ value: `${n}`, partition: 0 })))
  const committed = { topic, partition: 0, offset: '6', metadata: 'where I was' }
  const begin = async (consumer, found) => {
    await waitFor(() => found.length === 10)
    await consumer.commitOffsets([committed])
  }
  await take(topic, 10, { groupId, begin })
  await admin(async (client) => {
    const offsets = async () => {
      const [found] = await client.fetchOffsets({ groupId, topics: [topic] })
      return found.partitions.sort((a, b) => a.partition - b.partition).map((one) => [one.offset, one.metadata])
    }
    assert.deepEqual(await offsets(), [['6', 'where I was'], ['-1', null]])
    const found = await take(topic, 4, { groupId })
    assert.deepEqual(found.map((message) => message.offset), ['6', '7', '8', '9'])
    assert.ok((await client.listGroups()).groups.some((group) => group.groupId === groupId))
    const { groups } = await client.describeGroups([groupId])
    assert.deepEqual([groups[0].state, groups[0].members], ['Empty', []])
    await client.deleteGroups([groupId])
    assert.ok(!(await client.listGroups()).groups.some((group) => group.groupId === groupId))
  })
})

whole('the offsets of a group are set and reset', async () => {
  const [topic, groupId] = [await create(unique('reset')), unique('group')]
  await send(topic, [...Array(10).keys()].map((n) => ({ value: `${n}` })))
  await admin(async (client) => {
    await client.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '2' }] })
    assert.equal((await client.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset, '2')
    assert.equal((await take(topic, 8, { groupId }))[0].offset, '2')
    // By a commit of -2, which brokers keep.
    await client.resetOffsets({ groupId, topic, earliest: true })
    assert.equal((await take(topic, 10, { groupId }))[0].offset, '0')
  })
})

basic('large messages', async () => {
  const topic = await create(unique('large'))
  await send(topic, [{ value: 'x'.repeat(MAX_MESSAGE_BYTES - 100) }])
  await rejects('MESSAGE_TOO_LARGE', send(topic, [{ value: 'x'.repeat(MAX_MESSAGE_BYTES + 1) }], few))
  const settings = { maxBytesPerPartition: 1000, maxBytes: 1000 }
  assert.equal((await take(topic, 1, { settings }))[0].value.length, MAX_MESSAGE_BYTES - 100)
})

basic('topics that are not there', async () => {
  await rejects('UNKNOWN_TOPIC_OR_PARTITION', send(unique('unknown'), [{ value: 'x' }], few))
})

basic('a consumer at the end waits and then is prompt', async () => {
  const topic = await create(unique('poll'))
  await send(topic, [{ value: 'first' }])
  let begin
  const found = await take(topic, 2, {
    settings: { maxWaitTimeInMs: 2000 },
    begin: async (_, found) => {
      await waitFor(() => found.length === 1)
      // It asks again once the first has been handled.
      await sleep(500)
      const before = await metric('ottla_server_requests_total', 'api="Fetch"')
      await sleep(2500)
      const asked = (await metric('ottla_server_requests_total', 'api="Fetch"')) - before
      assert.ok(asked <= 4, `${asked} fetches in 2.5 seconds in which nothing happened`)
      begin = Date.now()
      await send(topic, [{ value: 'second' }])
    },
  })
  assert.equal(`${found[1].value}`, 'second')
  assert.ok(found[1].came - begin < 2000, `it came after ${found[1].came - begin} ms`)
})

const login = (mechanism, password = PASSWORD, more = {}) =>
  kafka({ brokers: [env.INTEROP_SASL_BOOTSTRAP], sasl: { mechanism, username: USER, password }, ...more })

basic('logging in', async () => {
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    await admin((client) => client.listTopics(), login(mechanism))
    const refused = login(mechanism, 'wrong', few).admin()
    await assert.rejects(refused.connect(), /the user is not known or the password is wrong/)
    await refused.disconnect()
  }
})

basic('topics made on demand', async () => {
  const topic = unique('auto')
  const on = login('plain')
  await send(topic, [{ value: 'x' }], { allowAutoTopicCreation: true }, on)
  assert.equal(`${(await take(topic, 1, { on }))[0].value}`, 'x')
})

const file = (name) => fs.readFileSync(path.join(env.INTEROP_CERTIFICATES, name), 'utf8')

basic('over TLS', async () => {
  const over = (ca) => login('scram-sha-256', PASSWORD, { brokers: [env.INTEROP_TLS_BOOTSTRAP], ssl: { ca: [file(ca)] }, ...few })
  await admin((client) => client.listTopics(), over('ca.pem'))
  await assert.rejects(admin((client) => client.listTopics(), over('other-ca.pem')), /certificate/)
})

whole('over mutual TLS', async () => {
  const over = (own) => {
    const ssl = { ca: [file('ca.pem')], ...(own && { cert: file(`${own}.pem`), key: file(`${own}.key`) }) }
    return kafka({ brokers: [env.INTEROP_MUTUAL_BOOTSTRAP], ssl, ...few })
  }
  await admin((client) => client.listTopics(), over('client'))
  await assert.rejects(admin((client) => client.listTopics(), over(null)))
  await assert.rejects(admin((client) => client.listTopics(), over('other-client')))
})

async function waitFor(condition, seconds = 30) {
  const end = Date.now() + 1000 * seconds
  while (!(await condition())) {
    assert.ok(Date.now() < end, `not within ${seconds} s: ${condition}`)
    await sleep(50)
  }
}

async function main() {
  const named = process.argv.slice(2)
  let failed = 0
  for (const { name, body, basic } of cases) {
    if (named.length ? !named.includes(name) : env.INTEROP_SUBSET === '1' && !basic) continue
    const begin = Date.now()
    let late
    const limit = new Promise((_, reject) => {
      late = setTimeout(() => reject(new Error('the case took longer than it may')), 90_000)
    })
    let outcome = 'ok    '
    try {
      await Promise.race([body(), limit])
    } catch (error) {
      console.log(error)
      outcome = 'FAILED'
      failed += 1
    }
    clearTimeout(late)
    console.log(`${outcome} ${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`)
  }
  process.exit(failed ? 1 : 0)
}

main()
