//! Every planted bug is found, by the property that speaks of it; what is built passes in the small configurations.

use model::check::check;
use model::configs;
use model::mutant::Mutant;

#[test]
fn every_planted_bug_is_found() {
    for mutant in Mutant::ALL {
        let config = configs::find(mutant.config()).expect("the configuration exists");
        // One thread, so that the same counterexample is found each time.
        let report = check(config, Some(*mutant), 1);
        let violation = report.violation.unwrap_or_else(|| panic!("{} was not found", mutant.name()));
        println!("{}: {} steps: {}", mutant.name(), violation.steps, violation.property);
        assert_eq!(violation.property, mutant.violates().text(), "{}: {}", mutant.name(), mutant.text());
    }
}

#[test]
fn small_configurations_hold_and_show_what_they_are_for() {
    for name in ["partial", "again", "revived", "strikes", "blocked"] {
        let config = configs::find(name).expect("the configuration exists");
        let report = check(config, None, 2);
        assert!(report.violation.is_none(), "{name}: {:?}", report.violation);
        for fact in config.reaches {
            assert!(report.seen.contains(fact), "{name}: it was never seen that {}", fact.text());
        }
    }
}
