//! Writes the implementation.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, GenericArgument, Ident, PathArguments, Result, Type, Variant};

use crate::attributes::{Attributes, Bounds, Place};

pub(crate) fn shape(input: &DeriveInput) -> Result<TokenStream> {
    let attributes = Attributes::read(&input.attrs)?;
    let name = attributes.name.clone().unwrap_or_else(|| input.ident.to_string());
    let parts = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => structure(&attributes, fields.named.iter().collect())?,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => newtype(&fields.unnamed[0].ty),
            Fields::Unit => structure(&attributes, Vec::new())?,
            Fields::Unnamed(_) => return Err(Error::new_spanned(&input.ident, "a tuple shape has exactly one field")),
        },
        Data::Enum(data) if attributes.union => union(&attributes, data.variants.iter().collect())?,
        Data::Enum(data) => string_set(data.variants.iter().collect())?,
        Data::Union(_) => {
            return Err(Error::new_spanned(&input.ident, "Rust unions are no shapes; use an enum"));
        }
    };
    let (ident, rules) = (&input.ident, rules(&attributes));
    let Parts { kind, from, into } = parts;
    Ok(quote! {
        #[automatically_derived]
        impl ::shape::Shape for #ident {
            const SCHEMA: &'static ::shape::Schema =
                &::shape::Schema { name: #name, kind: #kind, rules: #rules };
            fn from_value(value: ::shape::Value) -> ::std::result::Result<Self, ::shape::Mismatch> { #from }
            fn into_value(self) -> ::shape::Value { #into }
        }
    })
}

struct Parts {
    kind: TokenStream,
    from: TokenStream,
    into: TokenStream,
}

fn structure(on_type: &Attributes, fields: Vec<&Field>) -> Result<Parts> {
    let (mut members, mut takes, mut gives) = (Vec::new(), Vec::new(), Vec::new());
    for (at, field) in fields.iter().enumerate() {
        let attributes = Attributes::read(&field.attrs)?;
        let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "fields have names"))?;
        let wire_name = member_name(on_type, &attributes, &ident.to_string());
        let optional = option_of(&field.ty);
        let (inner, required) = (optional.unwrap_or(&field.ty), optional.is_none());
        members.push(member(&wire_name, inner, required, &attributes)?);
        takes.push(if required {
            quote!(#ident: fields.required(#at)?)
        } else {
            quote!(#ident: fields.optional(#at)?)
        });
        gives.push(if required {
            quote!(::std::option::Option::Some(::shape::Shape::into_value(self.#ident)))
        } else {
            quote!(self.#ident.map(::shape::Shape::into_value))
        });
    }
    let fields = if fields.is_empty() { quote!(let _) } else { quote!(let mut fields) };
    Ok(Parts {
        kind: quote!(::shape::Kind::Struct(&[#(#members),*])),
        from: quote!(#fields = value.into_fields(Self::SCHEMA)?; ::std::result::Result::Ok(Self { #(#takes),* })),
        into: quote!(::shape::Value::Struct(::std::vec![#(#gives),*])),
    })
}

fn newtype(inner: &Type) -> Parts {
    Parts {
        // A constant cannot copy another schema's kind out of its reference unless every kind is `Copy`.
        kind: quote!(<#inner as ::shape::Shape>::SCHEMA.kind),
        from: quote!(<#inner as ::shape::Shape>::from_value(value).map(Self)),
        into: quote!(::shape::Shape::into_value(self.0)),
    }
}

fn union(on_type: &Attributes, variants: Vec<&Variant>) -> Result<Parts> {
    let (mut members, mut froms, mut intos) = (Vec::new(), Vec::new(), Vec::new());
    for (at, variant) in variants.iter().enumerate() {
        let attributes = Attributes::read(&variant.attrs)?;
        let ident = &variant.ident;
        let inner = match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => &fields.unnamed[0].ty,
            _ => {
                return Err(Error::new_spanned(variant, "a union's variant has exactly one unnamed field"));
            }
        };
        let snake = ident.to_string();
        let wire_name = match (&attributes.name, on_type.rename_all.as_deref()) {
            (Some(name), _) => name.clone(),
            (None, Some("camelCase")) => small_first(&snake),
            (None, _) => snake,
        };
        members.push(member(&wire_name, inner, false, &attributes)?);
        froms.push(quote! {
            ::shape::Value::Union(#at, value) => ::shape::Shape::from_value(*value).map(Self::#ident)
        });
        intos.push(quote! {
            Self::#ident(value) =>
                ::shape::Value::Union(#at, ::std::boxed::Box::new(::shape::Shape::into_value(value)))
        });
    }
    Ok(Parts {
        kind: quote!(::shape::Kind::Union(&[#(#members),*])),
        from: quote! {
            match value {
                #(#froms,)*
                other => ::std::result::Result::Err(::shape::Mismatch::new(Self::SCHEMA.name, &other)),
            }
        },
        into: quote!(match self { #(#intos),* }),
    })
}

fn string_set(variants: Vec<&Variant>) -> Result<Parts> {
    let (mut texts, mut idents, mut unknown): (Vec<String>, Vec<&Ident>, Option<&Ident>) = Default::default();
    for variant in variants {
        let attributes = Attributes::read(&variant.attrs)?;
        if attributes.unknown {
            unknown = Some(&variant.ident);
            continue;
        }
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "a variant with a field needs #[shape(union)] on the enum"));
        }
        texts.push(attributes.value.unwrap_or_else(|| variant.ident.to_string()));
        idents.push(&variant.ident);
    }
    let (from_other, into_other) = match unknown {
        Some(ident) => {
            (quote!(_ => ::std::result::Result::Ok(Self::#ident(text))), quote!(Self::#ident(text) => text,))
        }
        None => (
            quote! {
                _ => ::std::result::Result::Err(::shape::Mismatch {
                    shape: Self::SCHEMA.name, found: "a value outside the set",
                })
            },
            quote!(),
        ),
    };
    Ok(Parts {
        kind: quote!(::shape::Kind::Enum(&[#(#texts),*])),
        from: quote! {
            let text = <::std::string::String as ::shape::Shape>::from_value(value)?;
            match text.as_str() {
                #(#texts => ::std::result::Result::Ok(Self::#idents),)*
                #from_other,
            }
        },
        into: quote! {
            ::shape::Value::String(match self {
                #(Self::#idents => ::std::string::String::from(#texts),)*
                #into_other
            })
        },
    })
}

fn member(wire_name: &str, inner: &Type, required: bool, attributes: &Attributes) -> Result<TokenStream> {
    let place = match &attributes.place {
        None => quote!(Body),
        Some(Place::Label) => quote!(Label),
        Some(Place::Query(key)) => quote!(Query(#key)),
        Some(Place::QueryMap) => quote!(QueryMap),
        Some(Place::Header(header)) => quote!(Header(#header)),
        Some(Place::PrefixHeaders(prefix)) => quote!(PrefixHeaders(#prefix)),
        Some(Place::Payload) => quote!(Payload),
        Some(Place::StatusCode) => quote!(StatusCode),
    };
    let timestamp = match &attributes.timestamp {
        None => quote!(::std::option::Option::None),
        Some(format) => {
            let variant = match format.value().as_str() {
                "epoch-seconds" => quote!(EpochSeconds),
                "date-time" => quote!(DateTime),
                "http-date" => quote!(HttpDate),
                _ => return Err(Error::new_spanned(format, "epoch-seconds, date-time or http-date")),
            };
            quote!(::std::option::Option::Some(::shape::TimestampFormat::#variant))
        }
    };
    let (xml_name, item_name) = (optional_text(&attributes.xml_name), optional_text(&attributes.item_name));
    let entry_names = match (&attributes.key_name, &attributes.value_name) {
        (None, None) => quote!(::std::option::Option::None),
        (key, value) => {
            let (key, value) = (key.as_deref().unwrap_or("key"), value.as_deref().unwrap_or("value"));
            quote!(::std::option::Option::Some((#key, #value)))
        }
    };
    let Attributes { flattened, idempotency_token, sensitive, .. } = attributes;
    let rules = rules(attributes);
    Ok(quote! {
        ::shape::Member {
            name: #wire_name,
            schema: <#inner as ::shape::Shape>::schema,
            required: #required,
            place: ::shape::Place::#place,
            rules: #rules,
            timestamp: #timestamp,
            xml_name: #xml_name,
            item_name: #item_name,
            entry_names: #entry_names,
            flattened: #flattened,
            idempotency_token: #idempotency_token,
            sensitive: #sensitive,
        }
    })
}

fn rules(attributes: &Attributes) -> TokenStream {
    let length = bounds(&attributes.length, &quote!(u64));
    let range = bounds(&attributes.range, &quote!(i64));
    let pattern = optional_text(&attributes.pattern);
    quote!(::shape::Rules { length: #length, range: #range, pattern: #pattern })
}

fn bounds(bounds: &Option<Bounds>, number: &TokenStream) -> TokenStream {
    let Some(Bounds { least, most }) = bounds else {
        return quote!(::std::option::Option::None);
    };
    let least = least.as_ref().map_or(quote!(#number::MIN), |e| quote!(#e));
    let most = most.as_ref().map_or(quote!(#number::MAX), |e| quote!(#e));
    quote!(::std::option::Option::Some((#least, #most)))
}

fn optional_text(text: &Option<String>) -> TokenStream {
    match text {
        Some(text) => quote!(::std::option::Option::Some(#text)),
        None => quote!(::std::option::Option::None),
    }
}

/// `function_name` is `FunctionName`, or `functionName` where the type says camelCase.
fn member_name(on_type: &Attributes, attributes: &Attributes, field: &str) -> String {
    if let Some(name) = &attributes.name {
        return name.clone();
    }
    let pascal: String = field.trim_start_matches("r#").split('_').map(capital_first).collect();
    match on_type.rename_all.as_deref() {
        Some("camelCase") => small_first(&pascal),
        _ => pascal,
    }
}

fn capital_first(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn small_first(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// The `T` of an `Option<T>`.
fn option_of(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|s| s.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}
