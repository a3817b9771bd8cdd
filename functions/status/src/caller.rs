//! What API Gateway has verified of a request, from where it puts that.

use lambda_http::{Request, RequestExt, request::RequestContext};
use shared::http::guard::Verified;

/// What is known of the caller. A request that came by no API was verified by nobody.
#[must_use]
pub fn verified(request: &Request) -> Verified<'_> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
        return Verified::default();
    };
    let authorizer = context.authorizer.as_ref();
    Verified {
        signer: authorizer.and_then(|authorizer| authorizer.iam.as_ref()?.user_arn.as_deref()),
        user: authorizer.and_then(|authorizer| Some(authorizer.jwt.as_ref()?.claims.get("sub")?.as_str())),
        domain: context.domain_name.as_deref(),
    }
}
