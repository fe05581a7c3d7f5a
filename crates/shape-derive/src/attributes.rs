//! Reads `#[shape(…)]`.

use syn::{Attribute, Expr, ExprRange, LitStr, RangeLimits, Result, meta::ParseNestedMeta};

/// All that an attribute may say, on a type, a field or a variant.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) name: Option<String>,
    pub(crate) rename_all: Option<String>,
    pub(crate) union: bool,
    pub(crate) unknown: bool,
    pub(crate) value: Option<String>,
    pub(crate) place: Option<Place>,
    pub(crate) timestamp: Option<LitStr>,
    pub(crate) xml_name: Option<String>,
    pub(crate) item_name: Option<String>,
    pub(crate) key_name: Option<String>,
    pub(crate) value_name: Option<String>,
    pub(crate) flattened: bool,
    pub(crate) idempotency_token: bool,
    pub(crate) sensitive: bool,
    pub(crate) length: Option<Bounds>,
    pub(crate) range: Option<Bounds>,
    pub(crate) pattern: Option<String>,
}

/// Where a member travels.
pub(crate) enum Place {
    Label,
    Query(String),
    QueryMap,
    Header(String),
    PrefixHeaders(String),
    Payload,
    StatusCode,
}

/// Both ends of a range, each an expression or open.
pub(crate) struct Bounds {
    pub(crate) least: Option<Expr>,
    pub(crate) most: Option<Expr>,
}

impl Attributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Attributes> {
        let mut read = Attributes::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("shape")) {
            attribute.parse_nested_meta(|meta| read.one(&meta))?;
        }
        Ok(read)
    }

    fn one(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match word.as_str() {
            "name" => self.name = Some(text(meta)?),
            "rename_all" => self.rename_all = Some(text(meta)?),
            "union" => self.union = true,
            "unknown" => self.unknown = true,
            "value" => self.value = Some(text(meta)?),
            "label" => self.place = Some(Place::Label),
            "query" => self.place = Some(Place::Query(text(meta)?)),
            "query_map" => self.place = Some(Place::QueryMap),
            "header" => self.place = Some(Place::Header(text(meta)?)),
            "prefix_headers" => self.place = Some(Place::PrefixHeaders(text(meta)?)),
            "payload" => self.place = Some(Place::Payload),
            "status_code" => self.place = Some(Place::StatusCode),
            "timestamp" => self.timestamp = Some(meta.value()?.parse()?),
            "xml_name" => self.xml_name = Some(text(meta)?),
            "item_name" => self.item_name = Some(text(meta)?),
            "key_name" => self.key_name = Some(text(meta)?),
            "value_name" => self.value_name = Some(text(meta)?),
            "flattened" => self.flattened = true,
            "idempotency_token" => self.idempotency_token = true,
            "sensitive" => self.sensitive = true,
            "length" => self.length = Some(bounds(meta)?),
            "range" => self.range = Some(bounds(meta)?),
            "pattern" => self.pattern = Some(text(meta)?),
            _ => return Err(meta.error("unknown word in #[shape(…)]; the crate's documentation lists them")),
        }
        Ok(())
    }
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}

fn bounds(meta: &ParseNestedMeta<'_>) -> Result<Bounds> {
    let content;
    syn::parenthesized!(content in meta.input);
    let range: ExprRange = content.parse()?;
    if range.end.is_some() && matches!(range.limits, RangeLimits::HalfOpen(_)) {
        return Err(meta.error("write an inclusive range, as in 1..=170 or 1.."));
    }
    Ok(Bounds { least: range.start.map(|e| *e), most: range.end.map(|e| *e) })
}
