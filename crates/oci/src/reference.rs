//! Names of images: `host/repository:tag`, `host/repository@sha256:…`. The host is part of the repository's name here; who
//! asks a registry takes it off.

use std::fmt;

use crate::{Digest, Error};

/// Longest name, in characters: the Distribution specification's 255 and a tag of 128 and a digest.
const CHARACTERS_MAX: usize = 512;

/// A name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// With the host, if there is one: `123456789012.dkr.ecr.us-east-1.amazonaws.com/hello`.
    pub repository: String,
    /// `latest` if there is neither tag nor digest.
    pub tag: Option<String>,
    /// The content that is meant; wins over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Refused`] for what is none.
    pub fn parse(text: &str) -> Result<Reference, Error> {
        let refuse = || Error::refused(format!("not the name of an image: {text:?}"));
        if text.is_empty() || text.len() > CHARACTERS_MAX {
            return Err(refuse());
        }
        let (named, digest) = match text.split_once('@') {
            None => (text, None),
            Some((named, digest)) => (named, Some(digest.parse::<Digest>().map_err(|_| refuse())?)),
        };
        // A colon before the last slash is that of a port.
        let last = named.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match named[last..].find(':') {
            None => (named, None),
            Some(colon) => (&named[..last + colon], Some(named[last + colon + 1..].to_owned())),
        };
        let is_part = |part: &str| {
            !part.is_empty()
                && part != ".."
                && part != "."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b))
        };
        let is_tag = |tag: &String| {
            (1..=128).contains(&tag.len())
                && !tag.starts_with(['.', '-'])
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !repository.split('/').all(is_part) || !tag.iter().all(is_tag) {
            return Err(refuse());
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Reference { repository: repository.to_owned(), tag, digest })
    }

    /// The registry that the name begins with, and the repository's name there; none if it begins with no host.
    pub fn registry(&self) -> Option<(&str, &str)> {
        let (host, repository) = self.repository.split_once('/')?;
        (host == "localhost" || host.contains(['.', ':'])).then_some((host, repository))
    }

    /// The same repository's image of this content.
    pub fn resolved(&self, digest: Digest) -> String {
        format!("{}@{digest}", self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn names_are_read_with_ports_tags_and_digests() {
        for (text, repository, tag) in [
            ("hello", "hello", Some("latest")),
            ("localhost:5000/a/b", "localhost:5000/a/b", Some("latest")),
            ("localhost:5000/a:1.0", "localhost:5000/a", Some("1.0")),
            ("1.dkr.ecr.us-east-1.amazonaws.com/a:b", "1.dkr.ecr.us-east-1.amazonaws.com/a", Some("b")),
        ] {
            let read = Reference::parse(text).expect(text);
            assert_eq!(read.registry().is_some(), text.contains('/'), "{text}");
            assert_eq!((read.repository.as_str(), read.tag.as_deref()), (repository, tag));
        }
        let by_digest = format!("a/b@sha256:{}", "0".repeat(64));
        let read = Reference::parse(&by_digest).expect("a digest");
        assert_eq!((read.tag.as_deref(), read.to_string()), (None, by_digest));
        for text in ["", "a//b", "../a", "a:", "a:-x", "a b", "a@sha256:12", "a@md5:00", "https://a/b"] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
