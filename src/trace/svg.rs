//! A ladder as a picture for a browser or a report.

use super::Ladder;
use super::ladder::Rung;
use crate::table::moment;
use busyhour_sip::Way;
use std::fmt::Write as _;

/// Pixels from one lane to the next, from one message to the next, and around all of it.
const LANE: usize = 230;
const STEP: usize = 34;
const LEFT: usize = 150;
const TOP: usize = 70;

/// The picture; text stays text, so that it can be searched and copied.
pub fn svg(ladder: &Ladder) -> String {
    let (lanes, rungs) = (ladder.peers.len() + 1, ladder.rungs.len());
    let (width, height) = (LEFT + lanes * LANE, TOP + (rungs + 1) * STEP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>call {}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        ladder.call
    );
    for lane in 0..lanes {
        let x = x_of(lane);
        let (name, address) = match lane {
            1 => ("busyhour".to_owned(), String::new()),
            lane => {
                let peer = &ladder.peers[lane.saturating_sub(1)];
                (peer.party.to_string(), peer.address.to_string())
            }
        };
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\
             <text x=\"{x}\" y=\"42\" text-anchor=\"middle\" font-size=\"11\">{address}</text>\
             <line x1=\"{x}\" y1=\"52\" x2=\"{x}\" y2=\"{height}\" stroke=\"#999\"/>",
            escaped(&name)
        );
    }
    for (rung, index) in ladder.rungs.iter().zip(0..) {
        draw(&mut svg, rung, TOP + (index + 1) * STEP - STEP / 2);
    }
    svg.push_str("</svg>\n");
    svg
}

fn x_of(lane: usize) -> usize {
    LEFT + lane * LANE + LANE / 4
}

fn draw(svg: &mut String, rung: &Rung, y: usize) {
    let (us, peer) = (x_of(1), x_of(Ladder::lane(rung.peer)));
    let (from, to) = if rung.way == Way::Out { (us, peer) } else { (peer, us) };
    let back = if to > from { to - 8 } else { to + 8 };
    let middle = if peer > us { peer - LANE / 2 } else { us.midpoint(peer) };
    let (colour, dash) = match (rung.says.as_bytes().first(), rung.again) {
        (_, true) => ("#888", " stroke-dasharray=\"4 3\""),
        (Some(b'4'..=b'6'), _) => ("#b00020", ""),
        (Some(b'1'..=b'3'), _) => ("#00695c", ""),
        _ => ("#1a237e", ""),
    };
    let again = if rung.again { "again: " } else { "" };
    let time = moment(rung.at);
    let _ = writeln!(
        svg,
        "<text x=\"8\" y=\"{y}\" font-size=\"11\" fill=\"#555\">{}.{:03}</text>\
         <line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"{colour}\"{dash}/>\
         <path d=\"M{to} {y} L{back} {} L{back} {} Z\" fill=\"{colour}\"/>\
         <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"{colour}\">{again}{}<title>{}</title></text>",
        time.get(11..19).unwrap_or_default(),
        rung.at.as_micros() % 1_000_000 / 1_000,
        y - 4,
        y + 4,
        y - 5,
        escaped(&rung.says),
        escaped(&rung.first),
    );
}

/// Text in XML 1.0; characters it has not are left out.
fn escaped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}
