//! Chromium with its driver: windows in which nobody has been before.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long what must happen may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The driver: each of its windows is a browser of its own. All of them end with it.
pub struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("chromedriver, of the Debian package chromium-driver");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.unwrap().split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port: port.expect("it says on which port it listens") }
    }

    /// A window of 1100 by 700 at this address.
    pub async fn open(&self, url: &str) -> Window {
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new",
            // Chromium's own sandbox is not to be had where tests run as root; nothing is opened but our page.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=en-GB",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let capabilities: Capabilities = capabilities;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let driver = format!("http://127.0.0.1:{}", self.port);
        let client = builder.capabilities(capabilities).connect(&driver).await.unwrap();
        let window = Window { client, _profile: profile };
        window.resize(1100, 700).await;
        window.go(url).await;
        window
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to end it closes its browsers; killed it would leave them behind.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(b"GET /shutdown HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A window, of a browser that knows nothing of the others.
pub struct Window {
    client: Client,
    _profile: TempDir,
}

impl Window {
    /// Loads a page.
    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Closes it; its socket ends.
    pub async fn close(self) {
        self.client.close().await.unwrap();
    }

    /// What an expression of the page's language comes to.
    pub async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return ({expression});"), Vec::new()).await.unwrap()
    }

    /// Waits until an expression holds.
    pub async fn until(&self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        let holds = format!("return Boolean({expression});");
        while self.client.execute(&holds, Vec::new()).await.unwrap() != json!(true) {
            if Instant::now() > end {
                let shown = self.value("document.body.innerText").await;
                panic!("{expression} does not come to hold; shown is\n{}", shown.as_str().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until an element has this text.
    pub async fn says(&self, css: &str, text: &str) {
        self.until(&format!("document.querySelector({css:?})?.textContent === {text:?}")).await;
    }

    /// Waits until so many elements are visible.
    pub async fn shows(&self, css: &str, count: usize) {
        let visible = format!("[...document.querySelectorAll({css:?})].filter((one) => one.checkVisibility())");
        self.until(&format!("{visible}.length === {count}")).await;
    }

    /// The element, as soon as it is visible.
    async fn element(&self, css: &str) -> Element {
        self.until(&format!("document.querySelector({css:?})?.checkVisibility()")).await;
        self.client.find(Locator::Css(css)).await.unwrap()
    }

    /// Clicks on an element.
    pub async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap();
    }

    /// Writes into a field, after what is there.
    pub async fn write(&self, css: &str, text: &str) {
        self.element(css).await.send_keys(text).await.unwrap();
    }

    /// Writes into a field, and then the Enter key.
    pub async fn enter(&self, css: &str, text: &str) {
        self.write(css, &format!("{text}\u{e007}")).await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn press(&self, keys: impl IntoIterator<Item = char>) {
        let strokes = keys.into_iter().flat_map(|value| [KeyAction::Down { value }, KeyAction::Up { value }]);
        let all = strokes.fold(KeyActions::new("keyboard".to_owned()), |actions, stroke| actions.then(stroke));
        self.client.perform_actions(all).await.unwrap();
    }

    /// Presses a key while another is held.
    pub async fn press_with(&self, held: char, key: char) {
        let actions = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value: held });
        let actions = actions.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
        self.client.perform_actions(actions.then(KeyAction::Up { value: held })).await.unwrap();
    }

    /// Makes what is seen so wide and high.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Prefers `light` or `dark`.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
        self.until(&format!("matchMedia('(prefers-color-scheme: {scheme})').matches")).await;
        // Colours change by transitions, which must have ended before one looks at them.
        self.until("document.getAnimations().every((one) => one.playState !== 'running')").await;
    }

    /// A command of the developer tools.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Vendor { path: "goog/cdp/execute", body }).await.unwrap()
    }

    /// What the browser has complained of since it was asked last.
    pub async fn complaints(&self) -> Vec<String> {
        let said = self.client.issue_cmd(Vendor { path: "se/log", body: json!({ "type": "browser" }) }).await.unwrap();
        said.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// What is seen, as PNG.
    pub async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }
}

/// A command that only this browser's driver knows.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
