// Leasebox in a browser: a chat and a counter, on the API and the socket that every other client uses too.
//
// What the page holds to: a message is kept by its number `n` in the user's log, so it is shown once however often it
// comes; `n` has no gaps, so what a lost push leaves out is noticed and fetched; and what the server has not
// acknowledged stays in the outbox, in the browser's storage, and is sent again under the same id, which is safe.
// Whatever people write becomes text, never markup.

const PAGE = 30; // Messages of one page of history.
const LONGEST = 8192; // Bytes of a message's text, the server's limit.
const PATIENCE = 10_000; // After this an answer is taken for lost, and what asked for it is repeated.
const SAME_ID_IS_SAFE = 23 * 3600_000; // The server recognises a repeated id for 24 h; some of it may go by on the way.

const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------------------------------------------- Elements

/** A new item from a template of the page, its button doing `act`. */
function copy(template, act) {
  const item = $(template).content.firstElementChild.cloneNode(true);
  item.querySelector("button").onclick = act;
  return item;
}

/** Changes a text only when it is another one: a selection in it stays, and nothing is announced twice. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a text in an element that is hidden while there is none. */
function tell(element, text) {
  write(element, text ?? "");
  element.hidden = !text;
}

/** Makes a list show `entries`. Items are reused by key and moved only when they must be, so that focus stays. */
function reconcile(list, entries, key, create, update = () => {}) {
  const focused = document.activeElement;
  const keys = new Set(entries.map(key));
  for (const item of [...list.children]) if (!keys.has(item.dataset.key)) item.remove();
  const there = new Map([...list.children].map((item) => [item.dataset.key, item]));
  let place = list.firstElementChild;
  for (const entry of entries) {
    const item = there.get(key(entry)) ?? create(entry);
    item.dataset.key = key(entry);
    update(item, entry);
    if (item === place) place = place.nextElementSibling;
    else list.insertBefore(item, place);
  }
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

/** A disc with the first letter of a name; the same name has the same colour everywhere. */
function avatar(element, name) {
  write(element, (name.match(/[\p{L}\p{N}]/u)?.[0] ?? "?").toUpperCase());
  const sum = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) >>> 0, 7);
  element.dataset.hue = sum % 6;
}

/** For those who hear the page. Emptied first, so that the same text twice is heard twice. */
function announce(text) {
  $("announcer").textContent = "";
  setTimeout(() => write($("announcer"), text), 50);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const shortly = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const today = (at) => at.toDateString() === new Date().toDateString();

// ---------------------------------------------------------------------------------------------------- Storage

/** What the browser's storage answers; it may be full or forbidden, and then things are kept as long as the page is. */
function quietly(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

/** An id that nobody else makes. `randomUUID` exists only where the page came over https or from this machine. */
function uniqueId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What this user has sent and the server has not acknowledged, in the order of writing, also after a reload. */
class Outbox {
  #prefix;
  #entries = new Map();

  constructor(user) {
    // An entry each: two windows of one user do not write over each other's.
    this.#prefix = `leasebox.outbox/${user}/`;
    const read = (name) => quietly(() => JSON.parse(localStorage.getItem(name)));
    const names = quietly(() => Object.keys(localStorage)) ?? [];
    const found = names.filter((name) => name.startsWith(this.#prefix)).map(read).filter(Boolean);
    for (const entry of found.sort((a, b) => a.at - b.at)) this.#entries.set(entry.id, entry);
  }

  /** Of all conversations. An entry: {id, to, content, at, state: pending|queued|failed, problem?, tried?, due?}. */
  all() {
    return [...this.#entries.values()];
  }

  get(id) {
    return this.#entries.get(id);
  }

  put(entry) {
    this.#entries.set(entry.id, entry);
    const { due, ...lasting } = entry;
    quietly(() => localStorage.setItem(this.#prefix + entry.id, JSON.stringify(lasting)));
  }

  remove(id) {
    if (this.#entries.delete(id)) quietly(() => localStorage.removeItem(this.#prefix + id));
  }
}

// ---------------------------------------------------------------------------------------------------- The server

/** A refusal: its text says what is wrong and what would be right. */
class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || `The server answered ${status}`);
    this.status = status;
    this.type = body?.type;
  }

  /** Asking again without changing anything would bring the same. */
  get final() {
    if (this.type === "urn:leasebox:event-failed") return true; // It lies in the dead letters, for an operator.
    return this.status >= 400 && this.status < 500 && this.status !== 429 && this.status !== 408;
  }
}

/** One request; brings the JSON of the answer, or throws a Problem, or a TypeError when nobody answered. */
async function ask(method, path, body) {
  const headers = { accept: "application/json" };
  const token = quietly(() => sessionStorage.getItem("leasebox.token"));
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  const signal = AbortSignal.timeout(3 * PATIENCE);
  const options = { method, headers, signal, cache: "no-store", body: body && JSON.stringify(body) };
  const answer = await fetch(path, options);
  const json = await answer.json().catch(() => null);
  if (!answer.ok) throw new Problem(answer.status, json);
  return json;
}

/** A socket that is there again by itself: after 250 ms at first, and at most every 5 s. */
class Link {
  state = "offline";
  away = false; // Lost, and not back yet, whatever is tried meanwhile.
  #address;
  #heard;
  #changed;
  #socket = null;
  #attempt = 0;
  #timers = {};
  #ended = false;

  constructor({ address, heard, changed }) {
    this.#address = address;
    this.#heard = heard;
    this.#changed = changed;
  }

  get online() {
    return this.state === "online";
  }

  send(frame) {
    if (this.online) this.#socket.send(JSON.stringify({ v: 1, ...frame }));
  }

  /** To begin; and when the network or the page is back: no need to wait, nor to trust a socket that slept. */
  nudge() {
    if (this.online) this.#probe();
    else if (this.state === "offline" && !this.#ended) this.#connect();
  }

  end() {
    this.#ended = true;
    this.#lose();
  }

  async #connect() {
    clearTimeout(this.#timers.retry);
    this.#become("connecting");
    // A handshake may hang for minutes on a network that swallows it.
    this.#timers.patience = setTimeout(() => this.#lose(), PATIENCE);
    const attempt = ++this.#attempt;
    const socket = await this.#address().then((url) => new WebSocket(url)).catch(() => null);
    if (this.#ended || attempt !== this.#attempt || this.state !== "connecting") return socket?.close();
    if (!socket) return this.#lose();
    this.#socket = socket;
    const current = (act) => (event) => socket === this.#socket && act(event);
    socket.onopen = current(() => {
      clearTimeout(this.#timers.patience);
      this.#timers.ping = setInterval(() => this.#probe(), 60_000);
      this.#become("online");
    });
    socket.onmessage = current(({ data }) => {
      this.#attempt = 0; // Only who talks is well: a server that takes sockets and drops them is not hammered.
      clearTimeout(this.#timers.pong);
      if (data) this.#heard(JSON.parse(data)); // For an answer without a body API Gateway sends an empty frame.
    });
    socket.onclose = current(() => this.#lose());
  }

  #probe() {
    this.send({ type: "ping" });
    clearTimeout(this.#timers.pong);
    this.#timers.pong = setTimeout(() => this.#lose(), PATIENCE);
  }

  #lose() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null; // What a lost socket still says is of no interest, and it may take minutes to close.
    socket?.close();
    this.#become("offline");
    if (this.#ended) return;
    // With jitter, so that a server that comes back does not meet all its clients in one moment.
    const wait = Math.min(5000, 250 * 2 ** Math.min(this.#attempt, 8)) * (0.5 + Math.random() / 2);
    this.#timers.retry = setTimeout(() => this.#connect(), wait);
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    if (state !== "connecting") this.away = state === "offline";
    this.#changed(state);
  }
}

// ---------------------------------------------------------------------------------------------------- The chat

/** What a user knows of their chat. It changes by frames and answers, and calls `changed` when it has. */
class Chat {
  conversations = new Map();
  online = new Set();
  more = null; // The cursor of the next page of conversations.
  current = null; // The conversation that is open.
  #cursor = null; // Every message up to this number is here, or in the history that is loaded on demand.
  #highest = 0;
  #syncing = null;
  #tick;
  #hooks;

  constructor(user, config, hooks) {
    this.user = user;
    this.#hooks = hooks;
    this.outbox = new Outbox(user);
    for (const entry of this.outbox.all()) this.conversation(entry.to);
    this.link = new Link({
      address: () => this.#address(config),
      heard: (frame) => this.#heard(frame),
      changed: (state) => (state === "online" ? this.#arrived() : this.#left()),
    });
  }

  begin() {
    this.list(); // A name that is refused is told at once: a socket could not say why.
    this.link.nudge();
    this.#tick = setInterval(() => this.#passes(), 1000);
  }

  end() {
    clearInterval(this.#tick);
    this.link.end();
  }

  get unread() {
    return [...this.conversations.values()].reduce((sum, conversation) => sum + conversation.unread, 0);
  }

  /** The conversation with somebody, which may have no message yet. `older` is undefined until history is loaded. */
  conversation(peer) {
    if (!this.conversations.has(peer)) {
      const fresh = { with: peer, unread: 0, last: null, messages: new Map(), older: undefined, draft: "" };
      const times = { typing: 0, typed: 0, seen: 0, readAt: 0 };
      this.conversations.set(peer, { ...fresh, ...times, loading: false, problem: null });
    }
    return this.conversations.get(peer);
  }

  open(peer) {
    this.current = this.conversation(peer);
    if (this.current.older === undefined && this.#cursor !== null) this.older();
  }

  // ------------------------------------------------------------------------------------------ Coming and going

  async #address(config) {
    const { socket_url: elsewhere, tickets } = await config();
    const url = new URL(elsewhere ?? "/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (!tickets) url.searchParams.set("user_id", this.user);
    else url.searchParams.set("ticket", (await this.#ask("POST", "/tickets", {})).ticket);
    return url.href;
  }

  /** A request for this user; a refusal of the user as such ends the session. */
  async #ask(method, path, body) {
    try {
      return await ask(method, `/users/${encodeURIComponent(this.user)}${path}`, body);
    } catch (error) {
      if (error.status === 401 || error.status === 403) this.#hooks.refused(error.message);
      throw error;
    }
  }

  async #arrived() {
    for (const entry of this.outbox.all().filter((entry) => entry.state !== "failed")) {
      this.outbox.put({ ...entry, state: "pending", due: 0 });
    }
    this.flush();
    this.#hooks.changed();
    this.look();
    let page = null;
    while (this.link.online && !(page = await this.list())) await new Promise((wait) => setTimeout(wait, 1000));
    if (!this.link.online) return;
    this.sync();
  }

  #left() {
    clearTimeout(this.#syncing);
    this.#syncing = null;
    this.#hooks.changed();
  }

  /** Once a second: what was not answered is repeated, and who stopped typing is forgotten. */
  #passes() {
    this.flush();
    if (this.#highest > this.#cursor) this.sync();
    this.#hooks.changed();
  }

  /** Loads a page of the conversations with their unread counts; brings null when that went wrong. */
  async list(cursor) {
    try {
      const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const page = await this.#ask("GET", `/conversations?limit=50${query}`);
      for (const { with: peer, unread, last } of page.items) {
        const conversation = this.conversation(peer);
        conversation.unread = unread;
        if (last && last.n >= (conversation.last?.n ?? 0)) conversation.last = last;
        this.#highest = Math.max(this.#highest, last?.n ?? 0);
      }
      if (cursor || this.more === null) this.more = page.cursor;
      // What comes from here on is pushed or synced, so history may be loaded: nothing lies between the two.
      if (!cursor) this.#cursor ??= Math.max(0, ...page.items.map(({ last }) => last?.n ?? 0));
      if (this.current?.older === undefined) this.older();
      this.#hooks.changed();
      return page;
    } catch (error) {
      if (error.final) this.#hooks.refused(error.message);
      return null;
    }
  }

  /** Who is online. */
  async look() {
    const { items } = await ask("GET", "/presence?online=true&limit=100").catch(() => ({}));
    if (!items) return;
    this.online = new Set(items.map((item) => item.user_id));
    this.#hooks.changed();
  }

  // ------------------------------------------------------------------------------------------ What comes

  #heard(frame) {
    if (frame.type === "ack") this.#acknowledged(frame);
    else if (frame.type === "message") this.#pushed(frame);
    else if (frame.type === "sync") this.#synced(frame);
    else if (frame.type === "read") this.conversation(frame.with).unread = frame.unread;
    else if (frame.type === "typing") this.conversation(frame.from).typing = Date.now() + 5000;
    else if (frame.type === "pong" && frame.log > this.#cursor) this.sync(); // The last push was lost.
    else if (frame.type === "error") this.#failed(frame);
    this.#hooks.changed();
  }

  /** Takes a message in: by number, so once. */
  #note(message) {
    const peer = message.from === this.user ? message.to : message.from;
    const conversation = this.conversation(peer);
    conversation.messages.set(message.n, message);
    if (message.n > (conversation.last?.n ?? 0)) conversation.last = message;
    if (message.from === peer) conversation.typing = 0;
    else if (message.client_id) this.outbox.remove(message.client_id);
    this.#highest = Math.max(this.#highest, message.n);
    if (message.n === this.#cursor + 1 && this.#cursor !== null) this.#cursor = message.n;
    return conversation;
  }

  #pushed({ message, unread }) {
    const fresh = message.n > Math.max(this.#highest, this.#cursor ?? 0);
    const conversation = this.#note(message);
    conversation.unread = unread;
    if (fresh && message.from !== this.user) this.#hooks.arrived(message);
    if (this.#highest > this.#cursor) this.sync();
  }

  #acknowledged({ id, message }) {
    if (message) {
      this.#note(message);
      this.outbox.remove(id);
    } else if (this.outbox.get(id)) {
      // Durable, and it has no number yet: it comes by sync.
      this.outbox.put({ ...this.outbox.get(id), state: "queued", due: Date.now() + PATIENCE });
      setTimeout(() => this.sync(), 500);
    }
    if (this.#highest > this.#cursor) this.sync();
    this.flush();
  }

  /** Asks for everything after the cursor. */
  sync() {
    if (this.#syncing || this.#cursor === null || !this.link.online) return;
    this.link.send({ type: "sync", since: this.#cursor, limit: 100, ref: "sync" });
    this.#again(PATIENCE);
  }

  #again(wait) {
    clearTimeout(this.#syncing);
    this.#syncing = setTimeout(() => {
      this.#syncing = null;
      this.sync();
    }, wait);
  }

  #synced({ messages, since, complete }) {
    for (const message of messages) {
      const fresh = message.n > this.#highest;
      this.#note(message);
      if (fresh && message.from !== this.user) this.#hooks.arrived(message);
    }
    this.#cursor = Math.max(this.#cursor, since);
    clearTimeout(this.#syncing);
    this.#syncing = null;
    const awaited = this.#highest > this.#cursor || this.outbox.all().some((entry) => entry.state === "queued");
    if (!complete && messages.length > 0) this.sync();
    else if (!complete || awaited) this.#again(500); // It is stored, and not to be read yet.
    if (complete && messages.length > 0) this.list(); // A sync does not tell what is unread.
  }

  #failed({ id, ref, problem }) {
    const entry = this.outbox.get(id);
    const { final, message } = new Problem(problem.status, problem);
    if (entry && final) this.outbox.put({ ...entry, state: "failed", problem: message });
    else if (entry) this.outbox.put({ ...entry, problem: message, due: Date.now() + 2000 });
    if (ref === "sync") this.#again(1000);
    this.flush();
  }

  /** Loads a page of the open conversation's history. */
  async older() {
    const conversation = this.current;
    if (!conversation || conversation.loading || conversation.older === null) return;
    conversation.loading = true;
    const before = conversation.older ? `&before=${conversation.older}` : "";
    try {
      const path = `/conversations/${encodeURIComponent(conversation.with)}/messages?limit=${PAGE}${before}`;
      const page = await this.#ask("GET", path);
      for (const message of page.items) this.#note(message);
      conversation.older = page.before;
      conversation.problem = null;
    } catch (error) {
      // Without an answer nothing is wrong with the conversation, and it is loaded when the server is back.
      conversation.problem = error instanceof Problem ? error.message : null;
    }
    conversation.loading = false;
    this.#hooks.changed();
  }

  // ------------------------------------------------------------------------------------------ What goes

  say(content) {
    const { with: to } = this.current;
    this.current.typed = 0; // A message ends the typing, for the other one too.
    this.outbox.put({ id: uniqueId(), to, content, at: Date.now(), state: "pending" });
    this.flush();
    this.#hooks.changed();
  }

  /** Sends what is due: one message at a time to each person, so that they arrive in the order of writing. */
  flush() {
    if (!this.link.online) return;
    const [now, waiting] = [Date.now(), new Set()];
    for (const entry of this.outbox.all()) {
      if (entry.state === "failed" || (entry.state === "pending" && waiting.has(entry.to))) continue;
      // What is queued keeps its place, and is asked about now and then: it may have failed there.
      if (entry.state === "pending") waiting.add(entry.to);
      if (now < (entry.due ?? 0)) continue;
      if (entry.tried && now - entry.tried > SAME_ID_IS_SAFE) {
        const problem = "It was never acknowledged, and may have arrived or not. Look before you send it again.";
        this.outbox.put({ ...entry, state: "failed", problem });
        continue;
      }
      this.outbox.put({ ...entry, tried: entry.tried ?? now, due: now + PATIENCE });
      this.link.send({ type: "send", id: entry.id, to: entry.to, content: entry.content });
    }
  }

  /** Everything that is shown of the open conversation has been seen. */
  read() {
    const conversation = this.current;
    if (!conversation?.unread || !this.link.online || conversation.older === undefined) return;
    const upto = Math.max(0, ...conversation.messages.keys());
    // When it is still unread, that was said before this was asked, or the message is not here yet: not at once again.
    if (upto === 0 || (upto <= conversation.seen && Date.now() - conversation.readAt < 2000)) return;
    Object.assign(conversation, { unread: 0, seen: upto, readAt: Date.now() });
    this.link.send({ type: "read", with: conversation.with, upto });
  }

  /** Tells the other one, every three seconds at most. */
  typing() {
    const conversation = this.current;
    if (!conversation || Date.now() - conversation.typed < 3000) return;
    conversation.typed = Date.now();
    this.link.send({ type: "typing", to: conversation.with });
  }
}

// ---------------------------------------------------------------------------------------------------- What is shown

let chat = null;
let shown = null; // The conversation that the list of messages shows.
let toEnd = false; // Its newest message is to be seen, whatever was looked at.
let drawing = null;
let lost = false; // What those who hear the page were told of the connection.

/** Draws soon, and once for however much has changed. (Not by animation frame: a hidden window's title counts too.) */
function draw() {
  drawing ??= setTimeout(() => {
    drawing = null;
    if (looking()) chat?.read();
    drawState();
    if (!chat) return;
    drawConversations();
    drawPeople();
    drawThread();
  });
}

/** Whether somebody looks at the open conversation. (What is not displayed has no parent to be placed in.) */
function looking() {
  return document.visibilityState === "visible" && document.hasFocus() && $("thread").offsetParent !== null;
}

function drawState() {
  const state = chat?.link.state ?? "offline";
  $("sign-in").hidden = Boolean(chat);
  $("chat").hidden = $("who").hidden = !chat;
  write($("state"), state);
  $("state").dataset.state = state;
  $("notice").hidden = !chat?.link.away;
  document.title = chat ? `${chat.unread ? `(${chat.unread}) ` : ""}${chat.user} · Leasebox` : "Leasebox";
  if (!chat) return;
  write($("me"), chat.user);
  avatar($("me-avatar"), chat.user);
  // That the connection is lost and that it is back, not each attempt between.
  if (lost !== chat.link.away) announce(chat.link.away ? "Offline. Trying to connect again." : "Online again.");
  lost = chat.link.away;
}

/** The conversations of the list: with a message, or one under way, or open. */
function listed() {
  const waiting = new Set(chat.outbox.all().map((entry) => entry.to));
  const all = [...chat.conversations.values()];
  const newest = ({ last }) => last?.n ?? Number.MAX_SAFE_INTEGER; // Without a message it was just begun.
  const some = all.filter((one) => one.last || one === chat.current || waiting.has(one.with));
  return some.sort((a, b) => newest(b) - newest(a));
}

function drawConversations() {
  const all = listed();
  const create = ({ with: peer }) => copy("conversation-item", () => openConversation(peer));
  reconcile($("conversations"), all, ({ with: peer }) => peer, create, (item, { with: peer, unread, last, typing }) => {
    const [find, online] = [(name) => item.querySelector(name), chat.online.has(peer)];
    const at = last && new Date(last.at);
    const said = last ? `${last.from === chat.user ? "You: " : ""}${last.content}` : "No message yet";
    Object.assign(item.dataset, { with: peer, online });
    avatar(find(".avatar"), peer);
    write(find(".name"), peer);
    write(find(".preview"), typing > Date.now() ? "typing…" : said);
    write(find("time"), at ? (today(at) ? clock : shortly).format(at) : "");
    tell(find(".unread"), unread ? `${unread}` : null);
    const facts = [peer, online && "online", unread && `${unread} unread`, said];
    find("button").ariaLabel = facts.filter(Boolean).join(", ");
    find("button").ariaCurrent = peer === chat.current?.with ? "true" : null;
  });
  $("no-conversations").hidden = all.length > 0;
  $("more").hidden = !chat.more;
}

/** Who else is there to write to. */
function drawPeople() {
  const known = new Set([chat.user, ...listed().map((conversation) => conversation.with)]);
  const others = [...chat.online].filter((person) => !known.has(person)).sort();
  $("people-section").hidden = others.length === 0;
  const create = (person) => copy("person-item", () => openConversation(person));
  reconcile($("people"), others, (person) => person, create, (item, person) => {
    avatar(item.querySelector(".avatar"), person);
    write(item.querySelector(".name"), person);
  });
}

function drawThread() {
  const conversation = chat.current;
  $("thread").hidden = !conversation;
  $("nobody").hidden = Boolean(conversation);
  if (!conversation) return;
  const [peer, online] = [conversation.with, chat.online.has(conversation.with)];
  write($("with"), peer);
  avatar($("with-avatar"), peer);
  write($("presence"), online ? "online" : "offline");
  $("presence").dataset.online = online;
  write($("typing"), conversation.typing > Date.now() ? `${peer} is typing…` : "");
  tell($("thread-problem"), conversation.problem);
  $("older").hidden = !conversation.older;
  const entries = items(conversation);
  $("no-messages").hidden = entries.length > 0 || conversation.older === undefined;
  // Who reads the newest goes on reading the newest; who reads older ones stays where they are when others come above.
  const atEnd = toEnd || shown !== peer || belowView() < 60;
  const [height, first] = [$("scroller").scrollHeight, firstShown()];
  if (shown !== peer) $("messages").replaceChildren();
  reconcile($("messages"), entries, (entry) => entry.key, createMessage, updateMessage);
  if (atEnd) $("scroller").scrollTop = $("scroller").scrollHeight;
  else if (first !== firstShown()) $("scroller").scrollTop += $("scroller").scrollHeight - height;
  $("latest").hidden = belowView() < 240;
  shown = peer;
  toEnd = false;
}

const firstShown = () => $("messages").querySelector("[data-n]")?.dataset.key;
const belowView = () => $("scroller").scrollHeight - $("scroller").scrollTop - $("scroller").clientHeight;

/** What a conversation's list shows: its messages in order, then what is under way, and a line where a day begins. */
function items({ with: peer, messages }) {
  const sent = [...messages.values()].sort((a, b) => a.n - b.n);
  const known = new Set(sent.map((message) => message.client_id));
  const waiting = chat.outbox.all().filter((entry) => entry.to === peer && !known.has(entry.id));
  const all = [
    ...sent.map((message) => ({ ...message, key: message.client_id ?? `n${message.n}`, state: "sent" })),
    ...waiting.map((entry) => ({ ...entry, key: entry.id, from: chat.user, n: "" })),
  ];
  return all.flatMap((entry, index) => {
    const [at, before] = [new Date(entry.at), all[index - 1]];
    const day = at.toDateString();
    const begins = !before || new Date(before.at).toDateString() !== day;
    entry.follows = !begins && before.from === entry.from && at - new Date(before.at) < 300_000;
    return begins ? [{ key: `day ${day}`, day: today(at) ? "Today" : calendar.format(at) }, entry] : [entry];
  });
}

function createMessage(entry) {
  if (entry.day) return Object.assign(document.createElement("li"), { className: "day", textContent: entry.day });
  const item = copy("message-item", () => {
    chat.outbox.remove(entry.key);
    $("compose").value = entry.content;
    $("compose").focus();
    draw();
  });
  item.querySelector(".again").onclick = () => {
    chat.outbox.remove(entry.key); // A new try has a new id: under the old one it was judged.
    chat.say(entry.content);
    $("compose").focus();
  };
  return item;
}

const FATES = { pending: "sending…", queued: "accepted", sent: "sent", failed: "not sent" };

function updateMessage(item, { day, n, from, content, at, state, follows, problem }) {
  if (day) return;
  const [find, mine] = [(name) => item.querySelector(name), from === chat.user];
  Object.assign(item.dataset, { n, from, mine, follows });
  if (mine) item.dataset.state = state === "queued" ? "pending" : state;
  write(find(".author"), `${mine ? "You" : from}: `);
  write(find(".text"), content);
  write(find("time"), clock.format(new Date(at)));
  write(find(".fate"), mine ? FATES[state] : "");
  find(".refusal").hidden = !problem || state === "sent";
  write(find(".problem"), problem ?? "");
  for (const button of item.querySelectorAll("button")) button.hidden = state !== "failed";
}

// ---------------------------------------------------------------------------------------------------- What is done

let settings = null;

/** How this deployment is reached; asked until it is known. */
async function config() {
  return (settings ??= await ask("GET", "/app.json"));
}

/** The page's address says who is here and what is open, so that a reload or a copy of it shows the same. */
function place(changes, record = "replaceState") {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href !== location.href) history[record](null, "", url);
}

function signIn(user) {
  place({ user });
  tell($("sign-in-problem"), null);
  const mine = new Chat(user, config, {
    changed: () => mine === chat && draw(),
    refused: (text) => mine === chat && signOut(text),
    arrived: ({ from, content }) => {
      announce(looking() && chat.current?.with === from ? `${from}: ${content}` : `A message from ${from}`);
    },
  });
  chat = mine;
  chat.begin();
  drawState();
  const peer = new URL(location.href).searchParams.get("with");
  if (peer) openConversation(peer);
  else $("peer").focus();
  draw();
}

function signOut(text) {
  chat?.end();
  chat = shown = null;
  lost = false;
  place({ user: null, with: null });
  tell($("sign-in-problem"), text);
  drawState();
  $("user").focus();
}

function openConversation(peer) {
  if (chat.current) chat.current.draft = $("compose").value;
  place({ with: peer }, "pushState");
  $("chat").dataset.shows = "thread";
  chat.open(peer);
  $("compose").value = chat.current.draft;
  tell($("compose-problem"), null);
  drawThread();
  $("compose").focus();
  draw();
}

/** Back to the list, and to the place in it that one came from. */
function leaveConversation() {
  $("chat").dataset.shows = "list";
  const item = [...$("conversations").children].find((item) => item.dataset.with === chat.current?.with);
  (item?.querySelector("button") ?? $("peer")).focus();
}

function say() {
  const content = $("compose").value.trim();
  const bytes = new TextEncoder().encode(content).length;
  const long = `${bytes} bytes are too many: shorten it to ${LONGEST}, or send it in parts.`;
  tell($("compose-problem"), bytes > LONGEST ? long : null);
  if (!content || bytes > LONGEST) return;
  $("compose").value = "";
  toEnd = true;
  chat.say(content);
}

/** What a form does instead of being sent: `form-action 'none'`. */
function onSubmit(form, act) {
  $(form).onsubmit = (event) => {
    event.preventDefault();
    act();
  };
}

onSubmit("sign-in", () => {
  const user = $("user").value.trim();
  if (!user) return tell($("sign-in-problem"), "A name is needed.");
  if (settings?.tickets) quietly(() => sessionStorage.setItem("leasebox.token", $("token").value.trim()));
  signIn(user);
});
onSubmit("start-form", () => {
  const peer = $("peer").value.trim();
  $("peer").value = "";
  if (peer) openConversation(peer);
});
onSubmit("compose-form", () => {
  say();
  $("compose").focus();
});
$("compose").onkeydown = (event) => {
  if (event.key === "Escape") leaveConversation();
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  say();
};
$("compose").oninput = () => chat.typing();
$("switch").onclick = () => signOut(null);
$("back").onclick = leaveConversation;
$("older").onclick = () => chat.older();
$("more").onclick = () => chat.list(chat.more);
$("latest").onclick = () => ($("scroller").scrollTop = $("scroller").scrollHeight);
$("scroller").onscroll = () => {
  $("latest").hidden = belowView() < 240;
  if ($("scroller").scrollTop < 40 && chat?.current?.older) chat.older();
};
$("conversations").onkeydown = (event) => {
  const way = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = way && event.target.closest("li")[way];
  if (!next) return;
  event.preventDefault();
  next.querySelector("button").focus();
};

// ---------------------------------------------------------------------------------------------------- The counter

const counter = { name: $("counter-name").value, refusal: null, asking: false };

async function lookAtCounter() {
  if (counter.asking || $("panel-counter").hidden || document.visibilityState !== "visible" || !counter.name) return;
  const { name } = counter;
  counter.asking = true;
  try {
    drawCounter(await ask("GET", `/status?user_id=${encodeURIComponent(name)}`));
    tell($("counter-problem"), counter.refusal);
  } catch (error) {
    // What was never posted to is not there, and a counter that is not there counts from 0.
    if (error.status === 404) drawCounter({ counter: 0, pending: [], lock: null });
    else tell($("counter-problem"), why(error));
  }
  counter.asking = false;
}

function drawCounter({ counter: value, pending, lock }) {
  write($("counter-value"), `${value}`);
  write($("counter-queue-length"), `${pending.length}`);
  $("counter-queue-empty").hidden = pending.length > 0;
  const create = (event) => Object.assign(document.createElement("li"), { textContent: signed(event.delta) });
  reconcile($("counter-queue"), pending.slice(0, 100), (event) => event.event_id, create);
  const left = lock?.expires_at ? Math.max(0, new Date(lock.expires_at) - Date.now()) / 1000 : null;
  const ends = left === null ? "until an operator releases it" : `${left.toFixed(1)} s left`;
  write($("counter-lease"), lock ? `held by ${lock.owner}, ${ends}` : "free");
  $("counter-lease").dataset.held = Boolean(lock);
  $("counter-lease-left").hidden = left === null;
  if (left !== null) $("counter-lease-left").max = Math.max(left, $("counter-lease-left").max);
  $("counter-lease-left").value = left ?? 0;
}

const signed = (amount) => `${amount}`.replace(/^-/, "−").replace(/^(?=\d)/, "+");

async function add(amount) {
  const path = `/counter/${encodeURIComponent(counter.name)}/increment`;
  const whole = Number.isSafeInteger(amount);
  const post = () => ask("POST", path, { amount }).then(() => null, why);
  counter.refusal = whole ? await post() : "An amount is a whole number, as 5 or -5.";
  tell($("counter-problem"), counter.refusal);
  lookAtCounter();
}

/** What to tell of something that went wrong. */
function why(error) {
  return error instanceof Problem ? error.message : "The server is not there.";
}

for (const button of document.querySelectorAll("[data-amount]")) {
  button.onclick = () => add(Number(button.dataset.amount));
}
onSubmit("counter-form", () => {
  const amount = $("counter-amount").value.trim().replace("−", "-");
  add(amount === "" ? NaN : Number(amount));
});
$("counter-name").oninput = () => {
  counter.name = $("counter-name").value.trim();
  counter.refusal = null;
  place({ counter: counter.name });
  lookAtCounter();
};

// ---------------------------------------------------------------------------------------------------- Tabs, the start

const tabs = [$("tab-chat"), $("tab-counter")];

function choose(tab) {
  for (const one of tabs) {
    one.setAttribute("aria-selected", one === tab);
    one.tabIndex = one === tab ? 0 : -1;
    $(one.getAttribute("aria-controls")).hidden = one !== tab;
  }
  place({ tab: tab === $("tab-counter") ? "counter" : null });
  lookAtCounter();
  draw();
}

for (const [index, tab] of tabs.entries()) {
  tab.onclick = () => choose(tab);
  tab.onkeydown = ({ key }) => {
    const next = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[key];
    if (next === undefined) return;
    choose(tabs.at(next % tabs.length));
    tabs.at(next % tabs.length).focus();
  };
}

/** Does what the address says. */
function follow() {
  const told = new URL(location.href).searchParams;
  if (told.get("counter")) $("counter-name").value = counter.name = told.get("counter");
  choose(told.get("tab") === "counter" ? tabs[1] : tabs[0]);
  const [user, peer] = [told.get("user"), told.get("with")];
  if (user) $("user").value = user;
  const token = settings?.tickets && quietly(() => sessionStorage.getItem("leasebox.token"));
  if (!chat && user && (!settings?.tickets || token)) signIn(user);
  else if (chat && peer && peer !== chat.current?.with) openConversation(peer);
  else if (chat && !peer) leaveConversation();
}

setInterval(lookAtCounter, 500);
setInterval(() => document.visibilityState === "visible" && chat?.link.online && chat.look(), 3000);
window.addEventListener("focus", draw);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") chat?.link.nudge();
  draw();
});
window.addEventListener("online", () => chat?.link.nudge());
window.addEventListener("popstate", follow);

// How this deployment is used must be known before anybody signs in.
while (!(await config().catch(() => null))) {
  tell($("sign-in-problem"), "The server is not there. Trying again.");
  await new Promise((wait) => setTimeout(wait, 1000));
}
tell($("sign-in-problem"), null);
$("token-field").hidden = !settings.tickets;
if (settings.tickets) write($("sign-in-hint"), "The name that your token was issued to.");
follow();
if (!chat) (settings.tickets && $("user").value ? $("token") : $("user")).focus();
