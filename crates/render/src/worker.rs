//! The worker role `tera`: evaluates charts in a sealed process.

use tiphys_worker::{Sandbox, ServeError};

use crate::tera::evaluate;

/// The role that a [`crate::Renderer`] starts its workers with.
pub const ROLE: &str = "tera";

/// Evaluates charts until the owner of this process closes the pipe. The binary calls it for [`ROLE`].
pub fn serve() -> Result<(), ServeError> {
    tiphys_worker::serve(Sandbox::Sealed, |job| evaluate(&job))
}
