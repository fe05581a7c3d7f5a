//! Derives `Shape`: one struct gives its schema and its conversions.
//!
//! - a struct with named fields is a structure; a field of type `Option<T>` may be absent, any other is required;
//! - a tuple struct of one field is that field's shape under a name and rules of its own (`struct Handler(String)`);
//! - an enum of unit variants is an open set of strings; it may end in `#[shape(unknown)] Other(String)`, which keeps
//!   values we do not know;
//! - an enum marked `#[shape(union)]` with one field in each variant is a union.
//!
//! On the type: `name = "…"`, `rename_all = "camelCase"`, `union`, and for tuple structs `length(1..=170)`,
//! `range(1..=10)`, `pattern = "…"`.
//! On a field: `name = "…"`, `label`, `query = "…"`, `query_map`, `header = "…"`, `prefix_headers = "…"`, `payload`,
//! `status_code`, `timestamp = "date-time" | "http-date" | "epoch-seconds"`, `xml_name = "…"`, `item_name = "…"`,
//! `key_name = "…"`, `value_name = "…"`, `flattened`, `idempotency_token`, `sensitive`, and the rules above.
//! On a variant: `value = "…"` (else its name), `unknown`.

mod attributes;
mod generate;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// See the crate's documentation.
#[proc_macro_derive(Shape, attributes(shape))]
pub fn derive_shape(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    generate::shape(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
