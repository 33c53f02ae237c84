// A member of kafkajs. See `members.py`.
'use strict'

const { Kafka, logLevel } = require('kafkajs')

const [topic, groupId] = process.argv.slice(2)
const say = (told) => console.log(JSON.stringify(told))

async function main() {
  const kafka = new Kafka({ brokers: [process.env.INTEROP_BOOTSTRAP], clientId: 'member', logLevel: logLevel.ERROR })
  const settings = { sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 200 }
  const consumer = kafka.consumer({ groupId, ...settings })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => say({ assigned: payload.memberAssignment[topic] ?? [] }))
  consumer.on(consumer.events.REBALANCING, () => say({ assigned: [] }))
  consumer.on(consumer.events.CRASH, ({ payload }) => console.error(payload.error))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommitThreshold: 1,
    eachMessage: async ({ partition, message }) => say({ record: [partition, Number(message.offset), `${message.value}`] }),
  })
  process.stdin.on('end', async () => {
    await consumer.disconnect()
    say({ left: true })
    process.exit(0)
  })
  process.stdin.resume()
}

main()
