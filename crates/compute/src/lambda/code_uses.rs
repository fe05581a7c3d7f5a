//! Who refers to which package: rows beside the versions of functions and layers, written in their transactions.
//!
//! A package that loses its last reference becomes *loose*; [`super::deployment`] removes loose ones. Functions and
//! layers share packages and this care, since a zip may be both.

use store::{BlobId, Key, Scan, Tx};

use super::error::Failure;
use super::layer::LayerTarget;
use super::name::Target;
use super::records::{CODE_LOOSE, CODE_USES, Mark, code_key};

/// Something that refers to packages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder<'a> {
    /// A version of a function; 0 is `$LATEST`.
    Function(&'a Target, u64),
    /// A version of a layer.
    Layer(&'a LayerTarget, u64),
    /// A name of a container image.
    Image(&'a str),
    /// Somebody who is bringing an image, and has not said yet what for.
    Arrival(&'a str),
}

impl Holder<'_> {
    fn key(self, id: BlobId) -> Key {
        let id = id.to_string();
        match self {
            Holder::Function(target, number) => {
                Key::of((id, target.account.as_str(), target.region.as_str(), target.name.as_str(), number))
            }
            // No function's name has a colon.
            Holder::Layer(layer, number) => {
                let name = format!("layer:{}", layer.name);
                Key::of((id, layer.account.as_str(), layer.region.as_str(), name.as_str(), number))
            }
            Holder::Image(name) => Key::of((id, "image", name)),
            Holder::Arrival(arrival) => Key::of((id, "arrival", arrival)),
        }
    }
}

/// Notes that the holder now has these packages, and of the old ones no others.
pub(crate) fn hold(tx: &mut Tx<'_>, holder: Holder<'_>, old: &[BlobId], new: &[BlobId]) -> Result<(), Failure> {
    for id in old.iter().filter(|id| !new.contains(id)) {
        tx.delete(CODE_USES, &holder.key(*id))?;
        mark_loose(tx, *id)?;
    }
    for id in new.iter().filter(|id| !old.contains(id)) {
        tx.put(CODE_USES, &holder.key(*id), &Mark {})?;
        tx.delete(CODE_LOOSE, &code_key(*id))?;
    }
    Ok(())
}

/// Marks a package, if nobody refers to it.
pub(crate) fn mark_loose(tx: &mut Tx<'_>, id: BlobId) -> Result<(), Failure> {
    if tx.scan(CODE_USES, Scan::under(id.to_string()).limit(1))?.is_empty() {
        tx.put(CODE_LOOSE, &code_key(id), &Mark {})?;
    }
    Ok(())
}
