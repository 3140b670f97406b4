//! The types of values: each says what it takes, so that an error can.

use portcullis::gate::parse_network;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};
use std::{fmt, net::SocketAddr, time::Duration};

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    /// A default: within the bounds, or the build fails where it is a constant.
    pub const fn of(value: i64) -> Self {
        assert!(MIN <= value && value <= MAX);
        Self(value)
    }

    /// As a size, or a count. Bounds are never negative.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// As a smaller number; bounds that use this fit it.
    pub fn small(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// As a limit, where 0 says that there is none.
    pub fn limit(self) -> Option<usize> {
        Some(self.size()).filter(|&limit| limit > 0)
    }
}

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Self(0))
    }
}

/// A value is its own visitor: the visitor needs nothing.
impl<const MIN: i64, const MAX: i64> Visitor<'_> for Whole<MIN, MAX> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self, E> {
        if (MIN..=MAX).contains(&value) {
            return Ok(Self(value));
        }
        Err(E::invalid_value(Unexpected::Signed(value), &self))
    }
}

impl<const MIN: i64, const MAX: i64> Serialize for Whole<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

/// A number within bounds, whole or not: seconds, or times a second. `LEAST` is in thousandths; 0 may be allowed too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number<const ZERO: bool, const LEAST: u32, const MAX: u32>(f64);

/// A time that cannot be none: from a millisecond to a day.
pub type Seconds = Number<false, 1, 86_400>;
/// A time, where 0 says that there is no limit, or that it never happens.
pub type SecondsOrNever = Number<true, 1, 86_400>;
/// A time of a second at least, up to a day: peers are told it in whole seconds.
pub type WholeSeconds = Number<false, 1000, 86_400>;
/// So many times a second: rarely enough to work, often enough for deadlines to be kept.
pub type Hertz = Number<false, 1000, 1000>;

impl<const ZERO: bool, const LEAST: u32, const MAX: u32> Number<ZERO, LEAST, MAX> {
    const LEAST: f64 = LEAST as f64 / 1000.0;

    /// A default.
    pub const fn of(value: u32) -> Self {
        assert!((ZERO || value > 0) && value <= MAX);
        Self(value as f64)
    }

    /// The bare number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// As a time.
    pub fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }
}

impl<const LEAST: u32, const MAX: u32> Default for Number<true, LEAST, MAX> {
    fn default() -> Self {
        Self(0.0)
    }
}

impl<const LEAST: u32, const MAX: u32> Number<true, LEAST, MAX> {
    /// As a time, where 0 is none.
    pub fn limit(self) -> Option<Duration> {
        Some(self.duration()).filter(|limit| !limit.is_zero())
    }
}

impl<'de, const ZERO: bool, const LEAST: u32, const MAX: u32> Deserialize<'de> for Number<ZERO, LEAST, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(Self(0.0))
    }
}

impl<const ZERO: bool, const LEAST: u32, const MAX: u32> Visitor<'_> for Number<ZERO, LEAST, MAX> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}a number from {} to {MAX}", if ZERO { "0 or " } else { "" }, Self::LEAST)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self, E> {
        if (Self::LEAST..=f64::from(MAX)).contains(&value) || (ZERO && value == 0.0) {
            return Ok(Self(value));
        }
        Err(E::invalid_value(Unexpected::Float(value), &self))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self, E> {
        self.visit_f64(value as f64)
    }
}

impl<const ZERO: bool, const LEAST: u32, const MAX: u32> Serialize for Number<ZERO, LEAST, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 {
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// An IP address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an IP address and a port, as \"127.0.0.1:4000\" or \"[::1]:4000\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
                text.parse().map(Address).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An IP address, or a network of them, as the gate reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network(pub String);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Network;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a network, as \"192.0.2.7\" or \"2001:db8::/32\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Network, E> {
                match parse_network(text) {
                    Ok(_) => Ok(Network(text.to_owned())),
                    Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Declares an enum of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word in configurations.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Word;
                impl serde::de::Visitor<'_> for Word {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "one of {}", [$(concat!("\"", $word, "\"")),+].join(", "))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        match text {
                            $($word => Ok($name::$variant),)+
                            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                        }
                    }
                }
                deserializer.deserialize_str(Word)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}
pub(crate) use words;
