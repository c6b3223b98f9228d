//! ITU-T G.711 A-law and µ-law as the G.191 software tool library defines them, bit for bit.

use busyhour_model::{G711, Gain};

/// An A-law code for 16-bit linear PCM; the 4 low bits do not matter (G.191 `alaw_compress`).
pub const fn encode_a(linear: i16) -> u8 {
    let positive = linear >= 0;
    let mut code = if positive { linear >> 4 } else { !linear >> 4 } as u16;
    if code > 15 {
        let mut exponent = 1;
        while code > 31 {
            code >>= 1;
            exponent += 1;
        }
        code = code - 16 + (exponent << 4);
    }
    let sign = if positive { 0x80 } else { 0 };
    (code as u8 | sign) ^ 0x55
}

/// A µ-law code for 16-bit linear PCM; the 2 low bits do not matter (G.191 `ulaw_compress`).
pub const fn encode_u(linear: i16) -> u8 {
    let positive = linear >= 0;
    let magnitude = (if positive { linear >> 2 } else { !linear >> 2 }) as u16 + 33;
    let magnitude = if magnitude > 0x1FFF { 0x1FFF } else { magnitude };
    let mut segment = 1;
    let mut rest = magnitude >> 6;
    while rest != 0 {
        segment += 1;
        rest >>= 1;
    }
    let code = ((8 - segment) << 4) as u8 | (0x0F - (magnitude >> segment & 0x0F) as u8);
    if positive { code | 0x80 } else { code }
}

/// 16-bit linear PCM of an A-law code.
pub fn decode_a(code: u8) -> i16 {
    A_LINEAR[code as usize]
}

/// 16-bit linear PCM of a µ-law code.
pub fn decode_u(code: u8) -> i16 {
    U_LINEAR[code as usize]
}

/// The code of either law for 16-bit linear PCM.
pub fn encode(law: G711, linear: i16) -> u8 {
    match law {
        G711::A => encode_a(linear),
        G711::Mu => encode_u(linear),
    }
}

/// 16-bit linear PCM of a code of either law.
pub fn decode(law: G711, code: u8) -> i16 {
    match law {
        G711::A => decode_a(code),
        G711::Mu => decode_u(code),
    }
}

/// A code so much louder; what is too loud is cut.
pub fn louder(law: G711, code: u8, db: i8) -> u8 {
    encode(law, amplified(decode(law, code), db))
}

/// A sample so much louder; what is too loud is cut.
pub fn amplified(sample: i16, db: i8) -> i16 {
    let factor = GAIN[usize::from(db.clamp(-Gain::MAX, Gain::MAX).wrapping_add(Gain::MAX).cast_unsigned())];
    let linear = (i32::from(sample) * i32::from(factor)) >> 12;
    linear.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// 10^(dB/20) from -[`Gain::MAX`] on, times 4,096.
const GAIN: [u16; 25] = [
    1029, 1154, 1295, 1453, 1631, 1830, 2053, 2303, 2584, 2900, 3254, 3651, 4096, 4596, 5157, 5786, 6492, 7284, 8173,
    9170, 10289, 11544, 12953, 14533, 16306,
];

/// The code of silence.
pub const fn silence(law: G711) -> u8 {
    match law {
        G711::A => 0xD5,
        G711::Mu => 0xFF,
    }
}

/// What turns a code of one law into the other's; `None` when they are the same.
pub fn transcoder(from: G711, to: G711) -> Option<&'static [u8; 256]> {
    match (from, to) {
        (G711::A, G711::Mu) => Some(&A_TO_U),
        (G711::Mu, G711::A) => Some(&U_TO_A),
        _ => None,
    }
}

static A_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = expand_a(i as u8);
        i += 1;
    }
    table
};

static U_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = expand_u(i as u8);
        i += 1;
    }
    table
};

static A_TO_U: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = encode_u(expand_a(i as u8));
        i += 1;
    }
    table
};

static U_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = encode_a(expand_u(i as u8));
        i += 1;
    }
    table
};

/// G.191 `alaw_expand`.
const fn expand_a(code: u8) -> i16 {
    let bits = (code ^ 0x55) as i16;
    let exponent = bits >> 4 & 7;
    let mantissa = bits & 0x0F | if exponent > 0 { 0x10 } else { 0 };
    let magnitude = ((mantissa << 4) + 8) << if exponent > 1 { exponent - 1 } else { 0 };
    if bits & 0x80 != 0 { magnitude } else { -magnitude }
}

/// G.191 `ulaw_expand`.
const fn expand_u(code: u8) -> i16 {
    let bits = !code as i16;
    let exponent = bits >> 4 & 7;
    let step = 8 << exponent;
    let magnitude = (0x80 << exponent) + step * (bits & 0x0F) + step / 2 - 4 * 33;
    if bits & 0x80 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711 Table 1a by its decision values: the code is the number of decision values at or below the sample.
    fn a_by_decision_values(linear: i16) -> u8 {
        let x = linear as i32 >> 4; // 13-bit sign and magnitude, floor: -1 is the first negative step
        let magnitude = if x < 0 { -1 - x } else { x };
        let mut values: Vec<i32> = (1..=32).collect();
        for segment in 1..=6 {
            values.extend((1..=16).map(|step| (32 + 2 * step) << (segment - 1)));
        }
        let code = values.iter().take_while(|v| **v <= magnitude).count().min(127) as u8;
        (code | if x < 0 { 0 } else { 0x80 }) ^ 0x55
    }

    /// G.711 Table 2a by its decision values: 0, 1, 3, … 31, 35, … 95, 103, … 8159, counted down from 0xFF or 0x7F.
    fn u_by_decision_values(linear: i16) -> u8 {
        let x = linear as i32 >> 2;
        let magnitude = if x < 0 { -1 - x } else { x };
        let mut values = vec![];
        let (mut edge, mut step) = (-1, 2);
        for _ in 0..8 {
            for _ in 0..16 {
                edge += step;
                values.push(edge);
            }
            step *= 2;
        }
        let code = values.iter().take_while(|v| **v <= magnitude).count().min(127) as u8;
        if x < 0 { 0x7F - code } else { 0xFF - code }
    }

    #[test]
    fn a_gain_is_its_decibels_and_what_is_too_loud_is_cut() {
        for (law, db) in
            [G711::A, G711::Mu].into_iter().flat_map(|law| (-Gain::MAX..=Gain::MAX).map(move |db| (law, db)))
        {
            let factor = 10f64.powf(f64::from(db) / 20.0);
            for code in 0..=u8::MAX {
                let expected = (f64::from(decode(law, code)) * factor).clamp(i16::MIN.into(), i16::MAX.into());
                let made = f64::from(decode(law, louder(law, code, db)));
                // A step of either law is at most a sixteenth, and of the first segment 16.
                assert!((made - expected).abs() <= expected.abs() / 16.0 + 16.0, "{law:?} {db} dB: {code}");
            }
        }
    }

    #[test]
    fn every_linear_value_gets_the_code_of_the_recommendation() {
        for linear in i16::MIN..=i16::MAX {
            assert_eq!(encode_a(linear), a_by_decision_values(linear), "A-law of {linear}");
            assert_eq!(encode_u(linear), u_by_decision_values(linear), "µ-law of {linear}");
        }
    }

    #[test]
    fn every_code_comes_back_as_itself_and_in_the_middle_of_its_step() {
        for code in 0..=255u8 {
            assert_eq!(encode_a(decode_a(code)), code, "A-law {code:#x}");
            if code != 0x7F {
                assert_eq!(encode_u(decode_u(code)), code, "µ-law {code:#x}");
            }
            for (encode, decode) in [(encode_a as fn(i16) -> u8, decode_a as fn(u8) -> i16), (encode_u, decode_u)] {
                let step: Vec<i32> = (i16::MIN..=i16::MAX).filter(|x| encode(*x) == code).map(i32::from).collect();
                let (low, high) = (step[0], *step.last().unwrap());
                let middle = (low + high + 1) / 2;
                assert!((decode(code) as i32 - middle).abs() <= (high - low) / 2 + 4, "{code:#x}");
            }
        }
        assert_eq!((decode_u(0x7F), decode_u(0xFF)), (0, 0), "µ-law has two zeros");
        assert_eq!((decode_a(0xAA), decode_u(0x80)), (32256, 32124), "the loudest codes");
    }

    #[test]
    fn transcoding_is_decode_then_encode_and_nearly_reversible() {
        let (a_to_u, u_to_a) = (transcoder(G711::A, G711::Mu).unwrap(), transcoder(G711::Mu, G711::A).unwrap());
        for code in 0..=255u8 {
            assert_eq!(a_to_u[code as usize], encode_u(decode_a(code)));
            assert_eq!(u_to_a[code as usize], encode_a(decode_u(code)));
            let back = u_to_a[a_to_u[code as usize] as usize];
            assert!((back ^ 0x55).abs_diff(code ^ 0x55) & 0x7F <= 1, "A-law {code:#x} came back as {back:#x}");
        }
        assert_eq!(transcoder(G711::Mu, G711::Mu), None);
        assert_eq!(decode(G711::Mu, a_to_u[silence(G711::A) as usize]), 8, "silence stays silence");
    }
}
