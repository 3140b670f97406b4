//! What they asked: routes, handlers, streams, deferred replies, push
