//! `-X table.name=value`.

use std::str::FromStr;

use toml::{Table, Value};

/// A setting of the file, from the command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    path: Vec<String>,
    value: Value,
}

impl FromStr for Setting {
    type Err = String;

    /// The value is what TOML takes it for, or else a text: `5000`, `true`, `["a", "b"]`, `os`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((name, value)) = text.split_once('=') else {
            return Err("it has no `=`: write for example `disk.durability=os`".to_owned());
        };
        let name = name.trim();
        // Kafka's names have dots in them.
        let path: Vec<_> = match name.split_once('.') {
            Some((table @ "broker", name)) => vec![table.to_owned(), name.to_owned()],
            _ => name.split('.').map(str::to_owned).collect(),
        };
        if path.iter().any(String::is_empty) {
            return Err(format!("`{name}` names no setting: write for example `disk.durability=os`"));
        }
        let parsed = format!("value = {value}").parse::<Table>().ok().filter(|table| table.len() == 1);
        let parsed = parsed.and_then(|mut table| table.remove("value"));
        Ok(Self { path, value: parsed.unwrap_or_else(|| Value::String(value.to_owned())) })
    }
}

impl Setting {
    /// Of a table, by the path in it.
    pub(crate) fn new(path: &[&str], value: impl Into<Value>) -> Self {
        Self { path: path.iter().map(|&part| part.to_owned()).collect(), value: value.into() }
    }

    /// Sets it, whatever was there.
    ///
    /// # Errors
    /// What stands where a table should.
    pub(crate) fn apply(self, table: &mut Table) -> Result<(), String> {
        let mut path = self.path;
        let Some(last) = path.pop() else { return Ok(()) };
        let mut table = table;
        for part in path {
            let inner = table.entry(part.clone()).or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().ok_or(format!("`{part}` is no table"))?;
        }
        table.insert(last, self.value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &[&str]) -> Result<Table, String> {
        let mut table: Table = "url = 'memory://'\n[disk]\ndurability = 'fsync'".parse().unwrap();
        for text in settings {
            text.parse::<Setting>()?.apply(&mut table)?;
        }
        Ok(table)
    }

    #[test]
    fn values_are_what_toml_takes_them_for() {
        let table = set(&[
            "disk.durability=os",
            "kafka.request_timeout_ms=5000",
            "broker.num.partitions=3",
            "server.limits.connections=7",
            "server.sasl=[\"PLAIN\"]",
            "client_id=a = b",
            "kafka.password=1\nurl = 'x'",
        ]);
        let expected: Table = "url = 'memory://'\nclient_id = 'a = b'\n[disk]\ndurability = 'os'\n[kafka]\nrequest_timeout_ms = 5000\n\
                               password = \"1\\nurl = 'x'\"\n[broker]\n'num.partitions' = 3\n[server]\nsasl = ['PLAIN']\n[server.limits]\nconnections = 7"
            .parse()
            .unwrap();
        assert_eq!(table.unwrap(), expected);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for (text, expected) in
            [("disk.durability", "no `=`"), ("disk.=os", "names no setting"), ("=os", "names no setting")]
        {
            assert!(text.parse::<Setting>().unwrap_err().contains(expected), "{text}");
        }
        assert_eq!(set(&["url.x=3"]).unwrap_err(), "`url` is no table");
    }
}
