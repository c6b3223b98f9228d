//! Comma-separated values as spreadsheets write them (RFC 4180), every field with its place.

/// One field, its quotes taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) text: String,
    /// Byte at which its text begins.
    pub(super) at: usize,
}

/// What cannot be read, and where.
pub(super) type Broken = (usize, &'static str);

/// The rows that say something; those without any text are left out.
pub(super) fn rows(source: &str) -> Result<Vec<Vec<Field>>, Broken> {
    let (mut rows, mut row, mut at) = (Vec::new(), Vec::new(), 0);
    while at < source.len() {
        let (field, end) = field(source, at)?;
        row.push(field);
        at = end + 1;
        match source.as_bytes().get(end) {
            Some(b',') if at < source.len() => continue,
            Some(b',') => row.push(Field { text: String::new(), at }),
            Some(b'\r') => at += 1,
            _ => {}
        }
        let row = std::mem::take(&mut row);
        if row.iter().any(|field| !field.text.is_empty()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The field that begins at `at`, blanks around it taken off, and where the comma or the end of the line is.
fn field(source: &str, at: usize) -> Result<(Field, usize), Broken> {
    let rest = &source[at..];
    let Some(quoted) = rest.strip_prefix('"') else {
        let length = rest.find([',', '\n']).unwrap_or(rest.len());
        let length = if rest[..length].ends_with('\r') { length - 1 } else { length };
        let text = rest[..length].trim_start();
        return Ok((Field { at: at + length - text.len(), text: text.trim_end().into() }, at + length));
    };
    let (mut text, mut done) = (String::new(), 0);
    loop {
        let Some(quote) = quoted[done..].find('"') else { return Err((at, "this quote is never closed")) };
        text.push_str(&quoted[done..done + quote]);
        done += quote + 1;
        if !quoted[done..].starts_with('"') {
            break;
        }
        text.push('"');
        done += 1;
    }
    let end = at + 1 + done;
    match &source[end..] {
        rest if rest.is_empty() || rest.starts_with([',', '\n']) || rest.starts_with("\r\n") => {
            Ok((Field { text, at: at + 1 }, end))
        }
        _ => Err((end, "after a closing quote comes a comma or the end of the line")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<Vec<String>> {
        rows(source).unwrap().into_iter().map(|row| row.into_iter().map(|field| field.text).collect()).collect()
    }

    #[test]
    fn fields_are_read_as_spreadsheets_write_them() {
        let table: [(&str, &[&[&str]]); 8] = [
            ("", &[]),
            ("a,b\n1,2", &[&["a", "b"], &["1", "2"]]),
            ("a,b\r\n1,2\r\n", &[&["a", "b"], &["1", "2"]]),
            ("a, b ,\n,,x\n", &[&["a", "b", ""], &["", "", "x"]]),
            ("a,", &[&["a", ""]]),
            ("\"a,\"\"b\"\"\",\"two\nlines\"\r\nc", &[&["a,\"b\"", "two\nlines"], &["c"]]),
            ("a\n\n,,\n\r\nb\n", &[&["a"], &["b"]]),
            ("张三,\"\"", &[&["张三", ""]]),
        ];
        for (source, expected) in table {
            assert_eq!(texts(source), expected, "{source:?}");
        }
        let rows = rows("a, bc\n\"d\",e").unwrap();
        let places: Vec<usize> = rows.iter().flatten().map(|field| field.at).collect();
        assert_eq!(places, [0, 3, 7, 10]);
    }

    #[test]
    fn broken_quotes_are_located() {
        assert_eq!(rows("a,\"b\nc").unwrap_err(), (2, "this quote is never closed"));
        assert_eq!(rows("\"a\"b,c").unwrap_err().0, 3);
    }
}
