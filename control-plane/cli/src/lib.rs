//! The command line of the control plane
