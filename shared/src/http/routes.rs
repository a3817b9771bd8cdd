//! Every route of the API, once: both functions, the OpenAPI document and the tests read this table.

/// Which function serves a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The one that posts.
    Ingest,
    /// The one that reads.
    Status,
}

/// Who may ask a route, once users are told from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone: what a browser gets before anybody can have signed in.
    Everyone,
    /// The user whose path it is, and operators.
    Users,
    /// Whoever speaks for all users, and operators.
    Backend,
    /// Operators, also where everything else is open.
    Operators,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Post a delta to a user's counter.
    Webhook,
    /// Increment a counter.
    Increment,
    /// Post events to any entity.
    Post,
    /// Read one user, or list all.
    Users,
    /// Read a counter.
    Counter,
    /// List entities of a kind.
    List,
    /// Read any entity.
    Entity,
    /// Read where an event stands.
    Event,
    /// Whether the service works.
    Health,
    /// This API as a document.
    OpenApi,
    /// What customers of the bank do.
    Bank(Banking),
    /// What users do who write to one another.
    Chat(Chatting),
    /// What a browser shows.
    Page(Page),
    /// What operators do; nobody else may.
    Operator(Task),
}

/// What customers of the bank do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Banking {
    /// Open an account.
    Open,
    /// Pay in.
    Deposit,
    /// Pay out.
    Withdraw,
    /// Send money to another account.
    Transfer,
    /// Read an account, as it is or as it was.
    Account,
    /// Read its journal.
    Events,
    /// Compare it with its journal.
    Verify,
    /// Read where a transfer stands.
    Tracked,
}

/// What users do who write to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chatting {
    /// List a user's conversations.
    Conversations,
    /// Read a conversation, from its end.
    History,
    /// Read a user's messages from a number on.
    Log,
    /// Whether a user is there.
    Presence,
    /// Who is there.
    Online,
    /// Send a message.
    Send,
    /// Mark a conversation as read.
    Read,
    /// Get a ticket that opens a socket.
    Ticket,
}

/// What a browser shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The page.
    Index,
    /// Its program.
    Script,
    /// Its look.
    Style,
    /// What its program has to know of this deployment.
    Config,
}

/// What operators do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// List an entity's dead letters.
    Letters,
    /// Read one.
    Letter,
    /// Delete one.
    Delete,
    /// Redrive one.
    Redrive,
    /// Redrive an entity's dead letters in order.
    RedriveAll,
    /// Release a blocked entity.
    Resume,
    /// List entities with something pending.
    Stuck,
    /// Look at every entity.
    Sweep,
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Who serves it.
    pub function: Function,
    /// What it does.
    pub endpoint: Endpoint,
    /// What it does, for a reader.
    pub summary: &'static str,
}

const fn route(
    method: &'static str,
    path: &'static str,
    function: Function,
    endpoint: Endpoint,
    summary: &'static str,
) -> Route {
    Route { method, path, function, endpoint, summary }
}

/// What only reads is served by the function that only reads.
const fn operator(method: &'static str, path: &'static str, task: Task, summary: &'static str) -> Route {
    let function = match task {
        Task::Letters | Task::Letter | Task::Stuck => Function::Status,
        Task::Delete | Task::Redrive | Task::RedriveAll | Task::Resume | Task::Sweep => Function::Ingest,
    };
    route(method, path, function, Endpoint::Operator(task), summary)
}

/// What only reads is served by the function that only reads.
const fn bank(method: &'static str, path: &'static str, banking: Banking, summary: &'static str) -> Route {
    let function = match banking {
        Banking::Account | Banking::Events | Banking::Verify | Banking::Tracked => Function::Status,
        Banking::Open | Banking::Deposit | Banking::Withdraw | Banking::Transfer => Function::Ingest,
    };
    route(method, path, function, Endpoint::Bank(banking), summary)
}

/// What only reads is served by the function that only reads.
const fn chat(method: &'static str, path: &'static str, chatting: Chatting, summary: &'static str) -> Route {
    let function = match chatting {
        Chatting::Conversations | Chatting::History | Chatting::Log | Chatting::Presence | Chatting::Online => {
            Function::Status
        }
        Chatting::Send | Chatting::Read | Chatting::Ticket => Function::Ingest,
    };
    route(method, path, function, Endpoint::Chat(chatting), summary)
}

const fn page(path: &'static str, page: Page, summary: &'static str) -> Route {
    route("GET", path, Function::Status, Endpoint::Page(page), summary)
}

/// All routes; anything else is a 404 or a 405, which `status` answers.
pub const ROUTES: [Route; 39] = [
    route("GET", "/webhook", Function::Ingest, Endpoint::Webhook, "Add a delta to a user's counter"),
    route("POST", "/webhook", Function::Ingest, Endpoint::Webhook, "Add a delta to a user's counter"),
    route("POST", "/counter/{id}/increment", Function::Ingest, Endpoint::Increment, "Increment a counter"),
    route("POST", "/entities/{kind}/{id}/events", Function::Ingest, Endpoint::Post, "Post one event or an array"),
    route("GET", "/status", Function::Status, Endpoint::Users, "Read one user's counter, or list all"),
    route("GET", "/counter/{id}", Function::Status, Endpoint::Counter, "Read a counter"),
    route("GET", "/entities/{kind}", Function::Status, Endpoint::List, "List the entities of a kind"),
    route("GET", "/entities/{kind}/{id}", Function::Status, Endpoint::Entity, "Read an entity"),
    route(
        "GET",
        "/entities/{kind}/{id}/events/{event_id}",
        Function::Status,
        Endpoint::Event,
        "Read an event's receipt",
    ),
    route("GET", "/health", Function::Status, Endpoint::Health, "Whether the table can be read"),
    route("GET", "/openapi.json", Function::Status, Endpoint::OpenApi, "This document"),
    bank("POST", "/accounts/{id}/open", Banking::Open, "Open an account"),
    bank("POST", "/accounts/{id}/deposit", Banking::Deposit, "Pay in"),
    bank("POST", "/accounts/{id}/withdraw", Banking::Withdraw, "Pay out"),
    bank("GET", "/accounts/{id}", Banking::Account, "Read an account, as it is or as it was"),
    bank("GET", "/accounts/{id}/events", Banking::Events, "Read an account's journal"),
    bank("GET", "/accounts/{id}/verify", Banking::Verify, "Compare an account with its journal"),
    bank("POST", "/transfers", Banking::Transfer, "Send money from one account to another"),
    bank("GET", "/transfers/{id}", Banking::Tracked, "Read where a transfer stands"),
    chat("GET", "/users/{id}/conversations", Chatting::Conversations, "List a user's conversations, newest first"),
    chat(
        "GET",
        "/users/{id}/conversations/{other}/messages",
        Chatting::History,
        "Read a conversation's messages, newest first",
    ),
    chat("GET", "/users/{id}/messages", Chatting::Log, "Read a user's messages from a number on"),
    chat("GET", "/users/{id}/presence", Chatting::Presence, "Whether a user is connected"),
    chat("GET", "/presence", Chatting::Online, "List users who are connected"),
    chat("POST", "/users/{id}/messages", Chatting::Send, "Send a message"),
    chat("POST", "/users/{id}/conversations/{other}/read", Chatting::Read, "Mark a conversation as read"),
    chat("POST", "/users/{id}/tickets", Chatting::Ticket, "Get a ticket that opens a socket"),
    page("/", Page::Index, "The page"),
    page("/app.js", Page::Script, "The page's program"),
    page("/app.css", Page::Style, "The page's look"),
    page("/app.json", Page::Config, "What the page has to know of this deployment"),
    operator("GET", "/operator/dead-letters/{kind}/{id}", Task::Letters, "List an entity's dead letters"),
    operator("GET", "/operator/dead-letters/{kind}/{id}/{name}", Task::Letter, "Read a dead letter"),
    operator("DELETE", "/operator/dead-letters/{kind}/{id}/{name}", Task::Delete, "Delete a dead letter"),
    operator(
        "POST",
        "/operator/dead-letters/{kind}/{id}/redrive",
        Task::RedriveAll,
        "Redrive an entity's dead letters in order",
    ),
    operator("POST", "/operator/dead-letters/{kind}/{id}/{name}/redrive", Task::Redrive, "Redrive a dead letter"),
    operator("POST", "/operator/resume/{kind}/{id}", Task::Resume, "Release a blocked entity"),
    operator("GET", "/operator/stuck", Task::Stuck, "List entities with something pending"),
    operator("POST", "/operator/sweep", Task::Sweep, "Look at every entity and run what waits"),
];

impl Route {
    /// Who may ask it.
    #[must_use]
    pub const fn access(&self) -> Access {
        match self.endpoint {
            Endpoint::Page(_) | Endpoint::Health | Endpoint::OpenApi => Access::Everyone,
            Endpoint::Chat(_) => Access::Users,
            Endpoint::Operator(_) => Access::Operators,
            Endpoint::Webhook
            | Endpoint::Increment
            | Endpoint::Post
            | Endpoint::Users
            | Endpoint::Counter
            | Endpoint::List
            | Endpoint::Entity
            | Endpoint::Event
            | Endpoint::Bank(_) => Access::Backend,
        }
    }

    /// Whether `HEAD` goes here too: to a `GET` that only reads.
    pub(super) fn has_head(&self) -> bool {
        self.method == "GET" && self.function == Function::Status
    }

    /// The names of the variables in its path, in order.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// The routes with this path, which has its variables in braces.
pub(super) fn at(path: &str) -> impl Iterator<Item = &'static Route> + Clone {
    ROUTES.iter().filter(move |route| route.path == path)
}
