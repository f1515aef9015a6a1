//! The engine on a real control plane.

mod discovery;
mod live;
mod support;
