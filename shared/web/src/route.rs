//! A route as data: its method and path, who may ask it, what it takes and answers, and what answers it. Dispatch, access,
//! 404 and 405, the OpenAPI document and the template follow from the one list of them.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::client::Client;
use shared::erased::{AnyHost, Reader};
use shared::registry::Registry;

use crate::answer::Answer;
use crate::body;
use crate::post::{Post, Posting};
use crate::problem::Problem;
use crate::query::Parameter;
use crate::request::Request;
use crate::role::{Role, Whole};

/// Which function serves a route. It follows from what answers it: only `status` has a policy that cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The function that posts, `ingest`.
    Ingest,
    /// The function that reads, `status`.
    Status,
}

/// Who may ask a route. Where users are not told from one another (`Access=OPEN_TO_EVERYONE`, and the development server
/// without keys), only [`Access::Operator`] still asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone, also who has not signed in: what a browser gets first.
    Open,
    /// The user whose id the variable of this name in the path is, and operators.
    Owner(&'static str),
    /// Any user who shows a token, and operators.
    User,
    /// A backend that signs its requests and speaks for all users, and operators.
    Signed,
    /// Operators, also where everything else is open.
    Operator,
}

/// A route as data: method, path, access, what it takes, and what answers it in a program of the role `R`.
pub struct Route<R = Whole> {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path, with its variables in braces.
    pub path: &'static str,
    /// Who may ask the route; others are told 401 or 403.
    pub access: Access,
    /// What it does, on one line.
    pub summary: &'static str,
    /// The parameters that its query may have.
    pub query: Vec<Parameter>,
    /// Whether its query is nothing to it: a page's own program may read it.
    pub(crate) ignores_query: bool,
    /// A body that it takes, to show to who sends none.
    pub(crate) example: &'static str,
    pub(crate) body: Option<Shape>,
    pub(crate) answer: Option<Shape>,
    /// What it answers with while an event is stored and not processed; the receipt, when there is no other.
    pub(crate) accepted: Option<Shape>,
    pub(crate) media: &'static str,
    /// Which of the functions serves it.
    pub function: Function,
    /// Whether it posts events, by what is everybody's.
    pub(crate) posts: bool,
    /// What answers it; none in a program that does not serve it.
    pub handler: Option<Handler>,
    role: PhantomData<fn() -> R>,
}

/// What a body or an answer looks like.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
    /// Whether it can be left out.
    pub(crate) optional: bool,
}

impl Shape {
    /// The shape of a type, for a program that shows it.
    pub(crate) fn of<R: Role, T: JsonSchema>() -> Self {
        Self { schema: shown::<R>(T::json_schema_ref), optional: false }
    }

    /// The shape of a body, for a program that reads or shows it.
    fn of_body<R: Role, B: DeserializeOwned + JsonSchema>() -> Option<Self> {
        if R::SERVES { Some(Self { optional: body::is_optional::<B>(), ..Self::of::<R, B>() }) } else { None }
    }
}

/// What makes a schema, where there is a document to show it in.
fn shown<R: Role>(schema: fn(&mut SchemaGenerator) -> Schema) -> fn(&mut SchemaGenerator) -> Schema {
    if R::READS { schema } else { |_| Schema::default() }
}

/// The schema of a type by reference, where it has a name.
trait SchemaRef {
    fn json_schema_ref(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: JsonSchema + ?Sized> SchemaRef for T {
    fn json_schema_ref(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// Says what is to be posted.
pub type Posts = dyn Fn(&Request, &Registry) -> Result<Posting, Problem> + Send + Sync;
/// Reads, and answers with what it has read.
pub type Reads = dyn Fn(Reader, Request) -> BoxFuture<'static, Result<Answer, Problem>> + Send + Sync;
/// Does what is neither one post nor a read.
pub type Acts = dyn Fn(Client<AnyHost>, Request) -> BoxFuture<'static, Result<Answer, Problem>> + Send + Sync;

/// What answers a route.
#[derive(Clone)]
pub enum Handler {
    /// Says what is to be posted; the post, the wait and the answer are everybody's.
    Post(Arc<Posts>),
    /// Reads, and has no way to write.
    Read(Arc<Reads>),
    /// Does what is neither one post nor a read.
    Act(Arc<Acts>),
    /// Shows the OpenAPI document.
    Document,
}

/// What a route that reads may answer with: anything that is JSON, or a whole [`Answer`].
pub trait Answers {
    /// Makes the HTTP answer of the value.
    fn answer(self) -> Answer;
    /// Its schema, when it has one.
    #[doc(hidden)]
    fn shape() -> Option<fn(&mut SchemaGenerator) -> Schema>;
}

impl<T: Serialize + JsonSchema> Answers for T {
    fn answer(self) -> Answer {
        Answer::json(200, &self)
    }

    fn shape() -> Option<fn(&mut SchemaGenerator) -> Schema> {
        Some(T::json_schema_ref)
    }
}

impl Answers for Answer {
    fn answer(self) -> Answer {
        self
    }

    fn shape() -> Option<fn(&mut SchemaGenerator) -> Schema> {
        None
    }
}

impl<R: Role> Route<R> {
    fn new(method: &'static str, path: &'static str, access: Access, function: Function) -> Self {
        Self {
            method,
            path,
            access,
            summary: "",
            query: Vec::new(),
            ignores_query: false,
            example: "",
            body: None,
            answer: None,
            accepted: None,
            media: "application/json",
            function,
            posts: false,
            handler: None,
            role: PhantomData,
        }
    }

    /// A route that posts what `post` says, with its types taken off.
    pub(crate) fn posting(
        path: &'static str,
        access: Access,
        post: impl Fn(&Request, &Registry) -> Result<Posting, Problem> + Send + Sync + 'static,
    ) -> Self {
        let handler = if R::POSTS { Some(Handler::Post(Arc::new(post))) } else { None };
        Self { posts: true, handler, ..Self::new("POST", path, access, Function::Ingest) }
    }

    /// A `POST` that posts an event: `post` says to whom, and which. The body is read as a `B`: `()` takes none, and an
    /// `Option` may be left out. `ingest` serves it, and it waits for the reply and honours `Idempotency-Key` and `Prefer`
    /// as every post does.
    pub fn post<B, T, F>(path: &'static str, access: Access, post: F) -> Self
    where
        B: DeserializeOwned + JsonSchema + 'static,
        T: JsonSchema + 'static,
        F: Fn(&Request, B) -> Result<Post<T>, Problem> + Send + Sync + 'static,
    {
        let is_read = TypeId::of::<B>() != TypeId::of::<()>();
        let handler = move |request: &Request, _: &Registry| {
            let body = if is_read { &request.body[..] } else { b"" };
            post(request, body::read(body, request.route.example)?).map(Post::erased)
        };
        let body = if is_read { Shape::of_body::<R, B>() } else { None };
        Self { body, answer: Some(Shape::of::<R, T>()), ..Self::posting(path, access, handler) }
    }

    /// A `GET` that reads: `read` has a [`Reader`], which cannot write, and answers with what is JSON or with an
    /// [`Answer`]. `status` serves it.
    pub fn get<T, F, U>(path: &'static str, access: Access, read: F) -> Self
    where
        T: Answers,
        F: Fn(Reader, Request) -> U + Send + Sync + 'static,
        U: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let handler =
            move |reader: Reader, request: Request| read(reader, request).map(|told| told.map(T::answer)).boxed();
        let handler = if R::READS { Some(Handler::Read(Arc::new(handler))) } else { None };
        Self { answer: answered::<R, T>(), handler, ..Self::new("GET", path, access, Function::Status) }
    }

    /// A `GET` of something that is always the same, such as a part of a page. `status` serves it, as `media`, whatever its
    /// query says.
    #[must_use]
    pub fn file(path: &'static str, media: &'static str, text: &'static str) -> Self {
        let read = move |_: Reader, _: Request| async move { Ok(Answer::file(media, text)) };
        Self { media, ..Self::get(path, Access::Open, read) }.any_query()
    }

    /// A route that does what is neither one post nor a read: with a client it can post to several entities, one after the
    /// other, and answer with what it likes. `ingest` serves it. What it posts is not keyed by the request's
    /// `Idempotency-Key`.
    pub fn act<T, F, U>(method: &'static str, path: &'static str, access: Access, act: F) -> Self
    where
        T: Answers,
        F: Fn(Client<AnyHost>, Request) -> U + Send + Sync + 'static,
        U: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let handler = move |client: Client<AnyHost>, request: Request| {
            act(client, request).map(|told| told.map(T::answer)).boxed()
        };
        let handler = if R::POSTS { Some(Handler::Act(Arc::new(handler))) } else { None };
        Self { answer: answered::<R, T>(), handler, ..Self::new(method, path, access, Function::Ingest) }
    }

    /// The document of all routes.
    pub(crate) fn document(path: &'static str) -> Self {
        let handler = if R::READS { Some(Handler::Document) } else { None };
        Self { handler, ..Self::new("GET", path, Access::Open, Function::Status) }
    }

    /// Says what it does, on one line: for the OpenAPI document.
    #[must_use]
    pub fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// The parameters that its query may have; any other is a 400.
    #[must_use]
    pub fn query(self, query: impl IntoIterator<Item = Parameter>) -> Self {
        Self { query: if R::SERVES { query.into_iter().collect() } else { Vec::new() }, ..self }
    }

    /// Takes any query: it is nothing to the route, and may be something to the program of a page.
    #[must_use]
    pub fn any_query(self) -> Self {
        Self { ignores_query: true, ..self }
    }

    /// A body that it takes, shown to who sends none.
    #[must_use]
    pub fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// What a [`Route::act`] takes as its body, for the OpenAPI document: it is read with [`Request::body`].
    #[must_use]
    pub fn takes<B: DeserializeOwned + JsonSchema>(self) -> Self {
        Self { body: Shape::of_body::<R, B>(), ..self }
    }

    /// What it answers 202 with, when that is no receipt.
    #[must_use]
    pub fn accepts<T: JsonSchema>(self) -> Self {
        Self { accepted: Some(Shape::of::<R, T>()), ..self }
    }

    /// Serves the route under another method: a `GET` that posts, for example. What a page of somebody else could make
    /// a browser send is refused.
    #[must_use]
    pub fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// The route without its role, as it stands in a list.
    pub(crate) fn listed(self) -> Route {
        let Self { method, path, access, summary, query, ignores_query, example, .. } = self;
        let Self { body, answer, accepted, media, function, posts, handler, .. } = self;
        let role = PhantomData;
        Route {
            method,
            path,
            access,
            summary,
            query,
            ignores_query,
            example,
            body,
            answer,
            accepted,
            media,
            function,
            posts,
            handler,
            role,
        }
    }
}

/// What a route answers with, when it is a type that has a schema.
fn answered<R: Role, T: Answers>() -> Option<Shape> {
    T::shape().map(|schema| Shape { schema: shown::<R>(schema), optional: false })
}

impl Route {
    /// Whether `HEAD` goes here too: to a `GET` that only reads.
    pub(crate) fn has_head(&self) -> bool {
        self.method == "GET" && self.function == Function::Status
    }

    /// The names of the variables in its path, in order.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// Routes are told apart by method and path.
impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        (self.method, self.path) == (other.method, other.path)
    }
}

impl<R> fmt::Debug for Route<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
