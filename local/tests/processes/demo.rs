//! The demonstration as its reader sees it.

use crate::server::run;

#[test]
fn the_balances_follow_from_the_journals() {
    let said = run(&["demo", "accounts"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    let words: Vec<Vec<&str>> = said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    for balance in [["alice", "150"], ["bob", "70"], ["charlie", "300"]] {
        assert!(words.iter().any(|line| *line == balance), "{balance:?}: {}", said.stdout);
    }
    let expected = [
        "1  AccountOpened   {\"initial_balance\":100,\"owner\":\"alice\"}",
        "2  MoneyDeposited  {\"amount\":50}",
        "2  MoneyWithdrawn  {\"amount\":30}",
        "2  MoneyDeposited  {\"amount\":200}",
        "Each is equal to its snapshot",
    ];
    for line in expected {
        assert!(said.stdout.contains(line), "{line}: {}", said.stdout);
    }
}
