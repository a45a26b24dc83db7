//! The gRPC contract as Rust: generated code under [`v1`], and its conversion to and from the model.
//!
//! The files under `proto/` are the contract; `src/gen` is what they generate, checked in so that building needs neither `protoc`
//! nor a build script, and compared with a fresh generation by a test. Wire types stop at this crate: agents, aggregator and
//! clients convert at the border and work with [`parallax_model`].
//!
//! Reading is strict about shape (missing parts, wrong lengths, numbers out of range are a [`WireError`] that names the field) and
//! lenient about the future: an enum value this build does not know becomes the vocabulary's "unknown", never an error.

#![forbid(unsafe_code)]

pub mod batch;
mod convert;
mod enrolment;
mod wire_error;

pub use convert::{
    address_from_wire, address_to_wire, category_from_wire, category_to_wire, check_id_from_wire,
    diagnosis_from_wire, diagnosis_to_wire, disagreement_from_wire, disagreement_to_wire, emitter_to_wire,
    family_to_wire, incident_from_wire, incident_to_wire, protocol_to_wire, result_from_wire, result_to_wire,
    scope_from_wire, scope_to_wire, target_from_wire, target_to_wire, vantage_from_wire, vantage_to_wire,
};
pub use enrolment::{AGGREGATOR_NAME, EnrollToken, TokenError};
pub use wire_error::WireError;

/// The encoded descriptors of every file, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");

/// The generated modules, nested as their packages are: they name each other by that path.
#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    reason = "generated code"
)]
mod generated {
    pub mod admin {
        pub mod v1 {
            include!("gen/parallax.admin.v1.rs");
        }
    }
    pub mod agent {
        pub mod v1 {
            include!("gen/parallax.agent.v1.rs");
        }
    }
    pub mod check {
        pub mod v1 {
            include!("gen/parallax.check.v1.rs");
        }
    }
    pub mod incident {
        pub mod v1 {
            include!("gen/parallax.incident.v1.rs");
        }
    }
    pub mod network {
        pub mod v1 {
            include!("gen/parallax.network.v1.rs");
        }
    }
    pub mod site {
        pub mod v1 {
            include!("gen/parallax.site.v1.rs");
        }
    }
    pub mod types {
        pub mod v1 {
            include!("gen/parallax.types.v1.rs");
        }
    }
}

/// Version 1 of the contract, one module an area.
pub mod v1 {
    pub use crate::generated::admin::v1 as admin;
    pub use crate::generated::agent::v1 as agent;
    pub use crate::generated::check::v1 as check;
    pub use crate::generated::incident::v1 as incident;
    pub use crate::generated::network::v1 as network;
    pub use crate::generated::site::v1 as site;
    pub use crate::generated::types::v1 as types;
}
