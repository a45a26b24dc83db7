//! Diagnosis from outside: golden worlds, laws that hold for every world, and the JSON line contract.

mod cases;
mod contract;
mod laws;
