//! What is seen: with enough contrast by day and by night, on a phone too, and with nothing from elsewhere.

use serde_json::{Value, json};

use crate::browser::{Driver, Window};
use crate::counter::under_load;
use crate::people::send;
use crate::server::Server;

/// The contrast of every visible text with what is behind it, as WCAG computes it: those that have too little.
const FAINT: &str = r"
(() => {
  const numbers = (colour) => {
    const found = colour.match(/-?[\d.]+(?:e-?\d+)?/g).map(Number);
    const scale = colour.startsWith('color(') ? 255 : 1;
    return [...found.slice(0, 3).map((part) => part * scale), found[3] ?? 1];
  };
  const over = (above, below) => [0, 1, 2].map((part) => above[part] * above[3] + below[part] * (1 - above[3])).concat(1);
  const ground = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = numbers(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const light = (colour) => {
    const parts = colour.slice(0, 3).map((part) => part / 255);
    const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const texts = [...document.body.querySelectorAll('*')].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()) ||
    element.placeholder);
  const seen = texts.filter((element) => element.checkVisibility() && !element.closest('.hidden, noscript, svg'));
  return seen.map((element) => {
    const style = getComputedStyle(element);
    const behind = ground(element);
    const [one, other] = [light(over(numbers(style.color), behind)), light(behind)];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    return { text: element.textContent.slice(0, 40), ratio, enough: ratio >= (large ? 3 : 4.5) };
  });
})()";

impl Window {
    /// That every text is legible, and nothing is wider than the window.
    async fn is_legible(&self, what: &str) {
        let texts = self.value(FAINT).await;
        let texts = texts.as_array().unwrap();
        assert!(texts.len() > 5, "{what}: only {} texts", texts.len());
        let faint: Vec<&Value> = texts.iter().filter(|text| text["enough"] != true).collect();
        assert!(faint.is_empty(), "{what}: {faint:#?}");
        let wide = self.value("document.documentElement.scrollWidth > innerWidth").await;
        assert_eq!(wide, json!(false), "{what} is wider than the window");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_is_legible_by_day_and_by_night() {
    let (server, driver, http) = (Server::start(&["--ephemeral"]), Driver::start(), reqwest::Client::new());
    let stranger = driver.open(server.url()).await;
    for (from, text) in [("bob", "Hello"), ("carol", "Hi"), ("bob", "How are you?")] {
        send(&http, server.url(), from, "alice", text).await;
    }
    let alice = driver.person(server.url(), "alice").await;
    alice.begin("no such name").await;
    alice.say("Does this arrive?").await;
    alice.shows("#messages li[data-state=failed]", 1).await;
    let bob = driver.person(server.url(), "bob").await;
    bob.choose("alice").await;
    bob.say("There you are").await;
    bob.acknowledged(3).await;
    let dave = driver.person(server.url(), "dave").await;
    let counting = driver.open(&format!("{}/?tab=counter&counter=looks", server.url())).await;
    let adding = async {
        counting.sees_a_busy_counter().await;
        let windows =
            [(&stranger, "sign-in"), (&alice, "refusal"), (&bob, "chat"), (&dave, "people"), (&counting, "counter")];
        for (width, height) in [(1100, 700), (390, 800), (320, 640)] {
            for scheme in ["light", "dark"] {
                for (window, name) in windows {
                    window.resize(width, height).await;
                    window.prefer(scheme).await;
                    window.is_legible(&format!("{name}, {scheme}, {width}")).await;
                }
            }
        }
    };
    under_load(server.url(), "looks", adding).await;
    let (light, dark) = (ground(&bob, "light").await, ground(&bob, "dark").await);
    assert_ne!(light, dark);
    // On a phone the list and the conversation take turns.
    bob.resize(390, 800).await;
    bob.shows(".side", 0).await;
    bob.click("#back").await;
    bob.shows(".side", 1).await;
    bob.shows("#thread", 0).await;
}

async fn ground(window: &Window, scheme: &str) -> Value {
    window.prefer(scheme).await;
    window.value("getComputedStyle(document.body).backgroundColor").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_from_elsewhere() {
    let (server, driver) = (Server::start(&["--ephemeral"]), Driver::start());
    let http = reqwest::Client::new();
    for path in ["/", "/app.css", "/app.js"] {
        let answer = http.get(format!("{}{path}", server.url())).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|one| one == part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    let alice = driver.person(server.url(), "alice").await;
    alice.begin("bob").await;
    alice.say("Hello").await;
    alice.acknowledged(1).await;
    alice.click("#tab-counter").await;
    alice.click("#counter-plus").await;
    alice.says("#counter-value", "1").await;
    let elsewhere = "performance.getEntriesByType('resource').map((one) => one.name).filter((name) => !name.startsWith(location.origin))";
    assert_eq!(alice.value(elsewhere).await, json!([]));
    // Of a counter that was never posted to the server says that it is not there.
    let complaints = alice.complaints().await;
    let unexpected: Vec<&String> = complaints.iter().filter(|said| !said.contains("/status?user_id=")).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    // The policy is in force: what it forbids is not run, and is complained of.
    alice.value("void document.body.setAttribute('onclick', 'document.title = 1')").await;
    assert!(alice.complaints().await.iter().any(|said| said.contains("Content Security Policy")));
}
