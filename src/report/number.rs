//! Numbers for people. What is absent is an en dash; nothing prints NaN or a minus zero.

/// Stands for a figure that is absent.
pub(crate) const ABSENT: &str = "–";

/// `value` with `decimals` decimals.
pub(crate) fn fixed(value: Option<f64>, decimals: usize) -> String {
    match value {
        Some(value) if value.is_finite() => {
            let text = format!("{value:.decimals$}");
            match text.strip_prefix('-') {
                Some(rest) if rest.bytes().all(|b| b == b'0' || b == b'.') => rest.to_owned(),
                _ => text,
            }
        }
        _ => ABSENT.to_owned(),
    }
}

/// A cosine, an excess or another figure near 1: 4 decimals, near 1 as many as differ from it.
pub(crate) fn figure(value: Option<f64>) -> String {
    near_one(value, 4)
}

/// The same where places are few: 3 decimals.
pub(crate) fn short_figure(value: Option<f64>) -> String {
    near_one(value, 3)
}

/// `value` with so many decimals, or as many as it takes to tell it from 1.
fn near_one(value: Option<f64>, decimals: usize) -> String {
    /// More than an f64 tells apart near 1.
    const MOST: usize = 12;
    let is_one = |text: &str| text.trim_start_matches('-').trim_end_matches('0') == "1.";
    let differs = value.is_some_and(|value| value.is_finite() && value.abs() != 1.0);
    let texts = (decimals..=MOST).map(|decimals| fixed(value, decimals));
    let told = texts.into_iter().find(|text| !(differs && is_one(text)));
    told.unwrap_or_else(|| fixed(value, decimals))
}

/// A relative change in per cent, without more digits than it is read with.
pub(crate) fn change(value: Option<f64>) -> String {
    match value {
        Some(v) if v.is_finite() && v >= 0.1 => format!("{} %", fixed(Some(100.0 * v), 0)),
        Some(v) if v.is_finite() && v > 0.0 && v < 0.0001 => "<0.01 %".to_owned(),
        Some(v) if v.is_finite() && v < 0.01 => format!("{} %", fixed(Some(100.0 * v), 2)),
        Some(v) if v.is_finite() => format!("{} %", fixed(Some(100.0 * v), 1)),
        _ => ABSENT.to_owned(),
    }
}

/// A bound on chance as `< 10^-137`, or the probability where that is read more easily; it may be
/// stated too high, never too low.
pub(crate) fn chance(log10_p: Option<f64>) -> String {
    match log10_p {
        Some(bound) if bound.is_finite() && bound <= -3.0 => {
            format!("< 10^{}", fixed(Some(bound.trunc()), 0))
        }
        Some(bound) if bound.is_finite() => {
            let thousandths = (10f64.powf(bound) * 1000.0).ceil();
            format!("< {}", fixed(Some(thousandths / 1000.0), 3))
        }
        _ => ABSENT.to_owned(),
    }
}

/// A logarithm to base 10: 1 decimal.
pub(crate) fn log10(value: Option<f64>) -> String {
    fixed(value, 1)
}

/// The number in a finding: whole numbers whole, others as figures; large and tiny ones in powers
/// of ten.
pub(crate) fn value(value: Option<f64>) -> String {
    match value {
        Some(v) if v.is_finite() && v == v.trunc() && v.abs() < 1e15 => signed_grouped(v),
        Some(v) if v.is_finite() && (v.abs() < 5e-5 || v.abs() >= 1e6) => format!("{v:.2e}"),
        Some(v) if v.abs() >= 100.0 => fixed(Some(v), 1),
        v => figure(v),
    }
}

fn signed_grouped(value: f64) -> String {
    // Whole and below 1e15 by the caller's test, so the conversion is exact.
    let whole = value.abs() as u64;
    format!("{}{}", if value < 0.0 { "-" } else { "" }, count(whole))
}

/// A share of 0 to 1 in per cent. Nearly all is never printed as all, nearly none never as none.
pub(crate) fn percent(share: Option<f64>) -> String {
    match share {
        Some(s) if !s.is_finite() => ABSENT.to_owned(),
        Some(s) if (0.9995..1.0).contains(&s) => near_all(s),
        Some(s) if s > 0.0 && s < 0.0005 => "<0.1 %".to_owned(),
        Some(s) => format!("{} %", fixed(Some(100.0 * s), 1)),
        None => ABSENT.to_owned(),
    }
}

/// A share that is nearly all, with the digits that tell it from all.
fn near_all(share: f64) -> String {
    const MOST: usize = 6;
    let texts = (2..=MOST).map(|decimals| fixed(Some(100.0 * share), decimals));
    let told = texts.into_iter().find(|text| !text.starts_with("100"));
    told.map_or_else(|| ">99.9999 %".to_owned(), |text| format!("{text} %"))
}

/// `part` of `whole` in per cent; absent where there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> String {
    percent((whole > 0).then(|| part as f64 / whole as f64))
}

/// A count with its thousands apart.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Parameters as `1.10B`, `12.3M`, `45.1K` or the plain number below a thousand.
pub(crate) fn parameters(value: u64) -> String {
    scaled(value, 1000.0, &["", "K", "M", "B", "T"]).concat()
}

/// Bytes as `14.19 GiB`; smaller ones in MiB, KiB or B.
pub(crate) fn bytes(value: u64) -> String {
    scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]).join(" ")
}

fn scaled(value: u64, step: f64, units: &[&str]) -> [String; 2] {
    let mut scaled = value as f64;
    let mut unit = 0;
    // Half a unit of the last digit short of the step would print as the step itself.
    while scaled >= step - 0.5 && unit + 1 < units.len() {
        scaled /= step;
        unit += 1;
    }
    if unit == 0 {
        return [value.to_string(), units[0].to_owned()];
    }
    let decimals = if scaled < 99.995 { 2 } else { 1 };
    [format!("{scaled:.decimals$}"), units[unit].to_owned()]
}

/// A shape as `[2,3]`, a scalar's as `[]`.
pub(crate) fn shape(axes: &[u64]) -> String {
    format!(
        "[{}]",
        axes.iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(",")
    )
}

/// The share of a term in a sum: 3 decimals, of which a last 0 is left out.
pub(crate) fn weight(weight: Option<f64>) -> String {
    let text = fixed(weight, 3);
    text.strip_suffix('0').map_or(text.clone(), str::to_owned)
}

/// Whole numbers in ascending order as `0-5, 7, 9-10`.
pub(crate) fn ranges(values: impl IntoIterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((_, last)) if *last == value => {}
            Some((_, last)) if last.checked_add(1) == Some(value) => *last = value,
            _ => runs.push((value, value)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| range(first, last))
        .collect();
    runs.join(", ")
}

/// Two whole numbers and all between them as `0-5`, or one as `7`.
pub(crate) fn range(first: u32, last: u32) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_finite_and_never_minus_zero() {
        assert_eq!(figure(Some(0.99606)), "0.9961");
        assert_eq!(figure(Some(-0.00001)), "0.0000");
        assert_eq!(figure(Some(-0.5)), "-0.5000");
        for absent in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(figure(absent), "–");
            assert_eq!(value(absent), "–");
            assert_eq!(percent(absent), "–");
        }
        assert_eq!(log10(Some(-0.0)), "0.0");
        assert_eq!(log10(Some(-814.31)), "-814.3");
    }

    #[test]
    fn a_weight_keeps_the_digits_that_it_has() {
        assert_eq!(weight(Some(0.5)), "0.50");
        assert_eq!(weight(Some(0.571)), "0.571");
        assert_eq!(weight(Some(-1.0)), "-1.00");
        assert_eq!(weight(None), "–");
    }

    #[test]
    fn values_take_the_form_that_fits() {
        assert_eq!(value(Some(338.0)), "338");
        assert_eq!(value(Some(-1234567.0)), "-1,234,567");
        assert_eq!(value(Some(-0.0)), "0");
        assert_eq!(value(Some(0.99812)), "0.9981");
        assert_eq!(value(Some(1e-9)), "1.00e-9");
        assert_eq!(value(Some(814.25)), "814.2");
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(Some(1.0)), "100.0 %");
        assert_eq!(percent(Some(0.99999)), "99.999 %");
        assert_eq!(percent(Some(0.00001)), "<0.1 %");
        assert_eq!(percent(Some(0.0)), "0.0 %");
        assert_eq!(share(1, 0), "–");
        assert_eq!(share(1, 4), "25.0 %");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parameters(999), "999");
        assert_eq!(parameters(1_100_048_384), "1.10B");
        assert_eq!(parameters(124_439_808), "124.4M");
        assert_eq!(parameters(999_999), "1.00M");
        assert_eq!(parameters(671_026_419_200), "671.0B");
        assert_eq!(bytes(15_231_233_024), "14.19 GiB");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(2048), "2.00 KiB");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn runs_of_layers_are_joined() {
        assert_eq!(ranges([0, 1, 2, 5, 7, 8]), "0-2, 5, 7-8");
        assert_eq!(ranges([]), "");
        assert_eq!(ranges([3, 3, u32::MAX]), "3, 4294967295");
        assert_eq!(shape(&[2, 3]), "[2,3]");
        assert_eq!(shape(&[]), "[]");
    }
}
