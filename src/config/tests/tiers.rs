//! Tiers of callers.

use super::*;

const GREEN_CHANNEL: &str = with_hotline!(
    r#"
[[tier]]
name = "gold"
numbers = ["13800138000", "1390*", "+86186*"]
priority = 300

[[tier]]
name = "trader"
numbers = "021*"
"#
);

#[test]
fn tiers_are_read_whole_and_dialplans_may_name_them() {
    assert_eq!(told(GREEN_CHANNEL), Vec::<String>::new());
    let setup = read("centre.toml", GREEN_CHANNEL, Path::new("/nowhere")).site.unwrap().setup;
    let tiers: Vec<_> = setup.tiers.iter().map(|t| (&*t.name, t.numbers.len(), t.priority)).collect();
    assert_eq!(tiers, [("gold", 3, 300), ("trader", 1, 0)]);
    assert!(setup.tiers[1].numbers[0].prefix);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    ("name = \"gold\"\n", "", "error centre.toml:2:1 [[tier]] needs `name`"),
    ("\"gold\"", "\"default\"", "error centre.toml:3:8 `default` is for callers without a tier; choose another name"),
    (
        "\"trader\"",
        "\"gold\"",
        "error centre.toml:8:8 a second tier is named `gold` (the first one is on line 3; names are unique)",
    ),
    (
        "\"1390*\"",
        "\"13 90\"",
        "error centre.toml:4:27 `13 90` is no number; write digits, \"+8613800138000\", or a prefix like \"138*\"",
    ),
    ("\"021*\"", "\"1390*\"", "error centre.toml:9:11 this number is of tier `gold` already"),
    ("= 300", "= 3000000", "error centre.toml:5:12 3000000 points are more than 1000000"),
];

#[test]
fn every_mistake_in_a_tier_is_located() {
    all_told(GREEN_CHANNEL, MISTAKES);
}
