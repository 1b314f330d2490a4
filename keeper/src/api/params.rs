//! Reading addresses: the query, and the piece of a path that varies. What cannot be read is named.

use super::problem::{Problem, unread};
use axum::{
    extract::{
        FromRequestParts, Path, Query,
        path::ErrorKind,
        rejection::{PathRejection, QueryRejection},
    },
    http::request::Parts,
};
use serde::de::{DeserializeOwned, value};
use std::{error::Error, iter::successors};

/// The parameters of a query, or the problem with them.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(read) = Query::from_request_parts(parts, state).await.map_err(wrong_query)?;
        Ok(Self(read))
    }
}

fn wrong_query(rejection: QueryRejection) -> Problem {
    let problem = Problem::bad_parameter(rejection.body_text());
    let mut causes = successors(rejection.source(), |cause| (*cause).source());
    let cause = causes.find_map(|cause| cause.downcast_ref::<serde_path_to_error::Error<value::Error>>());
    match cause.and_then(unread) {
        Some(name) => problem.of(name),
        None => problem,
    }
}

/// The one piece of a path that varies, or the problem with it.
#[derive(Clone, Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::from_request_parts(parts, state).await.map_err(wrong_path)?;
        Ok(Self(text))
    }
}

fn wrong_path(rejection: PathRejection) -> Problem {
    let problem = Problem::bad_parameter(rejection.body_text());
    match rejection {
        PathRejection::FailedToDeserializePathParams(error) => match error.into_kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => problem.of(key),
            _ => problem,
        },
        _ => problem,
    }
}
