//! The simulated table against a real engine: the same random requests, over every form that the protocol's expressions
//! have, must get the same answers and leave the same items.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_dynamo::{AttributeValue, Item};
use shared::host::ReadHost;
use shared::store::{
    Consistency, Key, Order, Page, Put, Query, ReadStore, Returns, Store, StoreError, Transaction, Update, Values,
    Written,
};
use shared::table;
use simulation::table::{Rejected, Table};

use crate::world::World;

/// Requests of one run.
const REQUESTS: usize = 1_500;
/// Placeholders that a request may use.
const NAMES: [&str; 10] = [":v0", ":v1", ":v2", ":v3", ":v4", ":v5", ":v6", ":v7", ":v8", ":v9"];

/// What a request came to, in a form that both sides can be brought to.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Applied(Option<BTreeMap<String, AttributeValue>>),
    Refused(Option<BTreeMap<String, AttributeValue>>),
    /// A condition of another item of the transaction.
    Occupied,
    OtherRefused,
    Invalid,
}

/// Draws requests.
struct Draw {
    chance: StdRng,
    values: Values,
}

impl Draw {
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(&mut self.chance).unwrap().clone()
    }

    fn often(&mut self, percent: u32) -> bool {
        self.chance.random_range(0..100) < percent
    }

    /// A value under a placeholder of its own.
    fn bind(&mut self, value: AttributeValue) -> &'static str {
        let name = NAMES[self.values.len()];
        self.values.push((name, value));
        name
    }

    fn number(&mut self) -> AttributeValue {
        AttributeValue::N(self.chance.random_range(-3..6).to_string())
    }

    fn binary(&mut self) -> AttributeValue {
        AttributeValue::B(vec![self.chance.random_range(0..5); 2])
    }

    fn text(&mut self) -> AttributeValue {
        let letters = ['a', 'b', 'c'];
        AttributeValue::S((0..self.chance.random_range(1..4)).map(|_| self.pick(&letters)).collect())
    }

    fn list(&mut self) -> AttributeValue {
        AttributeValue::L((0..self.chance.random_range(0..3)).map(|_| self.number()).collect())
    }

    fn map(&mut self) -> AttributeValue {
        AttributeValue::M(HashMap::from([("owner".to_owned(), self.binary()), ("until".to_owned(), self.number())]))
    }

    /// The clauses of an update, each over attributes of its own, as the protocol's are.
    fn update(&mut self) -> String {
        let (mut set, mut add, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        if self.often(70) {
            let value = self.number();
            let value = self.bind(value);
            set.push(match self.chance.random_range(0..4) {
                0 => format!("#number = {value}"),
                1 => format!("#number = if_not_exists(#number, {value}) + {value}"),
                2 => format!("#number = #number + {value}"),
                _ => format!("#number = #number - {value}"),
            });
        }
        match self.chance.random_range(0..6) {
            0 => {
                let (none, more) = (AttributeValue::L(Vec::new()), self.list());
                let (none, more) = (self.bind(none), self.bind(more));
                set.push(format!("#items = list_append(if_not_exists(#items, {none}), {more})"));
            }
            1 => remove.push("#items[0]".to_owned()),
            2 => remove.extend(["#items[0]".to_owned(), "#items[1]".to_owned()]),
            3 => remove.push("#items".to_owned()),
            4 => {
                let list = self.list();
                set.push(format!("#items = {}", self.bind(list)));
            }
            _ => {}
        }
        match self.chance.random_range(0..4) {
            0 => {
                let map = self.map();
                set.push(format!("#map = if_not_exists(#map, {})", self.bind(map)));
            }
            1 => {
                let until = self.number();
                set.push(format!("#map.#until = {}", self.bind(until)));
            }
            2 => remove.push("#map".to_owned()),
            _ => {}
        }
        match self.chance.random_range(0..4) {
            0 => {
                let text = self.text();
                set.push(format!("#text = {}", self.bind(text)));
            }
            1 => remove.push("#text".to_owned()),
            _ => {}
        }
        if self.often(20) {
            let one = self.number();
            add.push(format!("#count {}", self.bind(one)));
        }
        if self.often(2) {
            // Two places that overlap are refused.
            remove.push("#map.#until".to_owned());
            remove.push("#map".to_owned());
        }
        if set.is_empty() && add.is_empty() && remove.is_empty() {
            remove.push("#nothing".to_owned());
        }
        let clause = |word: &str, parts: Vec<String>| match parts.is_empty() {
            true => String::new(),
            false => format!("{word} {} ", parts.join(", ")),
        };
        clause("SET", set) + &clause("REMOVE", remove) + &clause("ADD", add)
    }

    fn condition(&mut self, depth: u32) -> String {
        if depth > 0 && self.values.len() < 7 && self.often(60) {
            let (left, right) = (self.condition(depth - 1), self.condition(depth - 1));
            return match self.chance.random_range(0..3) {
                0 => format!("{left} AND ({right})"),
                // DynamoDB refuses redundant parentheses.
                1 => format!("{left} OR {right}"),
                _ => format!("NOT ({left}) AND {right}"),
            };
        }
        if self.values.len() > 8 {
            return "attribute_not_exists(#nothing)".to_owned();
        }
        let comparison = self.pick(&["=", "<>", "<", "<=", ">", ">="]);
        match self.chance.random_range(0..8) {
            0 => "attribute_not_exists(#items)".to_owned(),
            1 => "attribute_exists(#map.#owner)".to_owned(),
            2 => {
                let number = self.number();
                format!("#number {comparison} {}", self.bind(number))
            }
            3 => {
                let number = self.number();
                format!("size(#items) {comparison} {}", self.bind(number))
            }
            4 => {
                let item = self.number();
                format!("contains(#items, {})", self.bind(item))
            }
            5 => {
                let part = self.text();
                format!("NOT contains(#text, {})", self.bind(part))
            }
            6 => {
                let owner = self.binary();
                format!("#map.#owner = {}", self.bind(owner))
            }
            _ => {
                let number = self.number();
                format!("#map.#until {comparison} {}", self.bind(number))
            }
        }
    }

    fn key(&mut self) -> Key {
        Key::new("log/one", self.pick(&["mailbox", "data#1", "data#2"]))
    }

    fn request(&mut self) -> Update {
        self.values = Values::new();
        let update = self.update();
        let mut condition = self.condition(2);
        if self.values.is_empty() {
            // An empty map of values is refused, and the protocol sends none.
            let number = self.number();
            condition = format!("#number <> {}", self.bind(number));
        }
        let mut values = std::mem::take(&mut self.values);
        if self.often(2) && values.len() < NAMES.len() {
            values.push((NAMES[values.len()], AttributeValue::N("1".to_owned())));
        }
        Update { key: self.key(), update: update.into(), condition: condition.into(), values, returns: Returns::Item }
    }

    fn transaction(&mut self) -> Transaction {
        let update = self.request();
        let puts = (0..self.chance.random_range(1..3)).map(|index| {
            let item = HashMap::from([("number".to_owned(), self.number())]);
            let expected = self.number();
            let condition =
                self.often(50).then(|| ("attribute_not_exists(#pk) OR #number <= :v0", vec![(":v0", expected)]));
            Put { key: Key::new("log/one", &format!("receipt#{index}")), item: item.into(), condition }
        });
        let puts = puts.collect();
        Transaction { update, puts, deletes: Vec::new(), token: format!("{:024x}", self.chance.random::<u64>()) }
    }

    /// A query of the items of one entity, in each form that the protocol has.
    fn query(&mut self) -> Query {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let pk = (":pk", text(self.pick(&["log/one", "log/one", "log/two"])));
        let (condition, values) = if self.often(40) {
            let prefix = self.pick(&["data#", "receipt#", "m", "x"]);
            (table::LIST_ITEMS, vec![pk, (":prefix", text(prefix))])
        } else {
            let mut bounds: [&str; 2] =
                [0; 2].map(|_| self.pick(&["a", "data#1", "data#15", "data#2", "mailbox", "receipt#0", "z"]));
            if self.often(90) {
                bounds.sort_unstable();
            }
            (table::LIST_BETWEEN, vec![pk, (":from", text(bounds[0])), (":to", text(bounds[1]))])
        };
        let limit = self.chance.random_range(1..7);
        let order = if self.often(70) { Order::Ascending } else { Order::Descending };
        Query { index: None, consistency: Consistency::Strong, condition, values, order, after: None, limit }
    }
}

/// An item in a form that can be compared.
fn plain(item: Item) -> BTreeMap<String, AttributeValue> {
    let attributes: HashMap<String, AttributeValue> = item.into();
    attributes.into_iter().collect()
}

fn real(written: Result<Written, StoreError>) -> Outcome {
    match written {
        Ok(Written::Applied { item, .. }) => {
            let item = plain(item);
            Outcome::Applied((!item.is_empty()).then_some(item))
        }
        Ok(Written::Refused { old, .. }) => Outcome::Refused(old.map(plain)),
        Err(StoreError::Refused(_)) => Outcome::Invalid,
        Err(StoreError::Occupied(_)) => Outcome::Occupied,
        Err(StoreError::Conflict(_)) => Outcome::OtherRefused,
        Err(error) => panic!("{error}"),
    }
}

fn rejected(rejected: Rejected) -> Outcome {
    match rejected {
        Rejected::Condition(old) => Outcome::Refused(old.map(plain)),
        Rejected::Occupied => Outcome::Occupied,
        Rejected::Other(_) => Outcome::OtherRefused,
        Rejected::Invalid(_) => Outcome::Invalid,
    }
}

async fn same_items(world: &World, table: &Table) {
    for sk in ["mailbox", "data#1", "data#2", "receipt#0", "receipt#1"] {
        let key = Key::new("log/one", sk);
        let (there, _) = world.host.store().get(key.clone(), Consistency::Strong).await.unwrap();
        assert_eq!(there.map(plain), table.get(&key, None).map(plain), "{sk}");
    }
}

/// Both bring the same pages to whoever asks until the last one; says how many there were.
async fn same_pages(world: &World, table: &Table, mut query: Query) -> usize {
    let items = |page: &Page| page.items.iter().cloned().map(plain).collect::<Vec<_>>();
    for pages in 0.. {
        let (real, simulated) = match (world.host.store().query(query.clone()).await, table.query(&query)) {
            (Ok(real), Ok(simulated)) => (real, simulated),
            (Err(StoreError::Invalid(_) | StoreError::Refused(_)), Err(_)) => return pages,
            (real, simulated) => panic!("{query:?}: {real:?}, and simulated {simulated:?}"),
        };
        assert_eq!(items(&simulated), items(&real), "{query:?}");
        if real.last.is_none() {
            // A page that ends where the range does may say that it is the last, or leave it to an empty one to say so.
            let rest = simulated.last.map(|last| table.query(&Query { after: Some(last), ..query.clone() }).unwrap());
            assert!(rest.is_none_or(|rest| rest.items.is_empty() && rest.last.is_none()), "{query:?}");
            return pages + 1;
        }
        assert_eq!(simulated.last.map(plain), real.last.clone().map(plain), "{query:?}");
        query.after = real.last;
    }
    unreachable!("there are few items")
}

#[tokio::test]
async fn the_simulated_table_is_a_real_one() {
    let seed = std::env::var("LEASEBOX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("LEASEBOX_SEED={seed}");
    let world = World::new().await;
    let mut table = Table::default();
    let mut draw = Draw { chance: StdRng::seed_from_u64(seed), values: Values::new() };
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut pages = 0;
    for request in 0..REQUESTS {
        if draw.often(20) {
            pages += same_pages(&world, &table, draw.query()).await;
        }
        let (expected, got, asked) = if draw.often(15) {
            let transaction = draw.transaction();
            let real = real(world.host.store().transact(transaction.clone()).await);
            let simulated = table.transact(0, &Arc::new(transaction.clone()));
            (real, simulated.map_or_else(rejected, |_| Outcome::Applied(None)), format!("{transaction:?}"))
        } else {
            let update = draw.request();
            let real = real(world.host.store().update(update.clone()).await);
            let simulated = table.update(0, &update);
            (
                real,
                simulated.map_or_else(rejected, |(item, ..)| Outcome::Applied(Some(plain(item)))),
                format!("{update:?}"),
            )
        };
        assert_eq!(got, expected, "request {request} (left: simulated, right: real): {asked}");
        *counts.entry(name(&expected)).or_default() += 1;
        if request % 100 == 0 {
            same_items(&world, &table).await;
        }
    }
    same_items(&world, &table).await;
    println!("{counts:?}, {pages} pages");
    assert!(pages > 150, "{pages}");
    // Each of them is common, so that the comparison means something.
    for outcome in ["applied", "refused", "invalid"] {
        assert!(counts.get(outcome).copied().unwrap_or_default() > 50, "{counts:?}");
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::Refused(_) => "refused",
        Outcome::Occupied => "occupied",
        Outcome::OtherRefused => "other refused",
        Outcome::Invalid => "invalid",
    }
}
