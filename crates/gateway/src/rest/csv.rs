//! Files of API keys: lines with commas, of which the first names the columns (`name,key,description,enabled,usageplanIds`).

use base::Error;

use super::error::bad;

/// Most lines of a file.
const ROWS_MAX: usize = 10_000;

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) plan_ids: Vec<String>,
}

/// Reads a file of keys.
pub(crate) fn keys(body: &[u8]) -> Result<Vec<KeyRow>, Error> {
    let text = std::str::from_utf8(body).map_err(|_| bad("Invalid API Key import file: it is not UTF-8"))?;
    let mut rows = rows(text)?.into_iter();
    let head = rows.next().ok_or_else(|| bad("Invalid API Key import file: it is empty"))?;
    let column = |name: &str| head.iter().position(|title| title.trim().eq_ignore_ascii_case(name));
    let required = |name: &str| column(name).ok_or_else(|| bad(format!("Missing required column: {name}")));
    let (name, value) = (required("name")?, required("key")?);
    let (description, enabled, plans) = (column("description"), column("enabled"), column("usageplanIds"));
    let read = |row: Vec<String>| {
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).map(|cell| cell.trim().to_owned());
        let plan_ids = cell(plans).unwrap_or_default();
        KeyRow {
            name: cell(Some(name)).unwrap_or_default(),
            value: cell(Some(value)).unwrap_or_default(),
            description: cell(description).filter(|text| !text.is_empty()),
            enabled: cell(enabled).is_none_or(|text| !text.eq_ignore_ascii_case("false")),
            plan_ids: plan_ids.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        }
    };
    Ok(rows.map(read).collect())
}

/// Cells of lines; a cell in quotes may hold commas, ends of lines and doubled quotes.
fn rows(text: &str) -> Result<Vec<Vec<String>>, Error> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' | '\r' if !quoted => {
                row.push(std::mem::take(&mut cell));
                end(&mut rows, &mut row)?;
            }
            letter => cell.push(letter),
        }
    }
    row.push(cell);
    end(&mut rows, &mut row)?;
    Ok(rows)
}

/// Ends a line; an empty one is none.
fn end(rows: &mut Vec<Vec<String>>, row: &mut Vec<String>) -> Result<(), Error> {
    let row = std::mem::take(row);
    if row.iter().any(|cell| !cell.trim().is_empty()) {
        if rows.len() > ROWS_MAX {
            return Err(bad(format!("An API Key import file has at most {ROWS_MAX} lines")));
        }
        rows.push(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_keys() {
        let file =
            "Name,key,description,Enabled,usageplanIds\r\na,0123456789,\"x, \"\"y\"\"\",false,\"p1, p2\"\n\nb,abc\n";
        let read = keys(file.as_bytes()).unwrap();
        let first = KeyRow {
            name: "a".to_owned(),
            value: "0123456789".to_owned(),
            description: Some("x, \"y\"".to_owned()),
            enabled: false,
            plan_ids: vec!["p1".to_owned(), "p2".to_owned()],
        };
        let second = KeyRow { name: "b".to_owned(), value: "abc".to_owned(), enabled: true, ..KeyRow::default() };
        assert_eq!(read, [first, second]);
        for file in [&b""[..], b"name,value", b"\xff"] {
            assert!(keys(file).is_err());
        }
    }
}
