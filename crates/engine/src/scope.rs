//! Where an Application may deploy.
