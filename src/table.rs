//! Tables for a terminal: aligned by what characters really take, Chinese two columns each.

use busyhour_model::Time;
use std::time::Duration;

/// Prints `rows` under `heads`; one sentence instead when there are none.
pub fn print(heads: &[&str], rows: &[Vec<String>], none: &str) {
    if rows.is_empty() {
        println!("{none}");
    } else {
        print!("{}", render(heads, rows));
    }
}

fn render(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|h| columns(h)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - columns(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Terminal columns of a text.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(c as u32, 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// `7s`, `1:05`, `2:03:09`.
pub fn span(span: Duration) -> String {
    let (h, m, s) = (span.as_secs() / 3600, span.as_secs() / 60 % 60, span.as_secs() % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, m) => format!("{m}:{s:02}"),
        _ => format!("{h}:{m:02}:{s:02}"),
    }
}

/// `2026-11-22 09:32:31Z`, after Howard Hinnant's civil_from_days.
pub fn moment(at: Time) -> String {
    let secs = at.as_secs();
    let (days, second) = ((secs / 86_400) as i64 + 719_468, secs % 86_400);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let rows = [vec!["投诉".to_string(), "1".into()], vec!["ab".into(), "22".into()]];
        assert_eq!(render(&["QUEUE", "N"], &rows), "QUEUE  N\n投诉   1\nab     22\n");
    }

    #[test]
    fn moments_are_the_calendar_s() {
        let table = [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"),
            (1_795_339_951, "2026-11-22 09:32:31Z"),
        ];
        for (secs, shown) in table {
            assert_eq!(moment(Time::from_secs(secs)), shown);
        }
    }

    #[test]
    fn spans_read_like_a_clock() {
        for (secs, shown) in [(0, "0s"), (59, "59s"), (65, "1:05"), (7_389, "2:03:09")] {
            assert_eq!(span(Duration::from_secs(secs)), shown);
        }
    }
}
