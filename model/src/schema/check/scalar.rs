//! Texts and numbers.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Number;

use super::Found;
use crate::field::number;
use crate::schema::compile::{Format, NumberRules, StringRules};
use crate::schema::quote::quote;
use crate::secret::is_reference;

impl StringRules {
    pub(super) fn check(&self, text: &str, found: &mut Found) {
        if self.reference && is_reference(text) {
            return;
        }
        let length = text.chars().count() as u64;
        if let Some(min) = self.min.filter(|min| length < *min) {
            return found.push(format!(
                "string too short, expected at least {min}, got {length}"
            ));
        }
        if let Some(max) = self.max.filter(|max| length > *max) {
            return found.push(format!(
                "string too long, expected at most {max}, got {length}"
            ));
        }
        match &self.pattern {
            Some((source, Ok(pattern))) if !pattern.is_match(text) => found.push(format!(
                "failed to match pattern {} with {}",
                quote(source),
                quote(text)
            )),
            Some((_, Err(error))) => found.push(error.clone()),
            _ => {}
        }
    }
}

impl NumberRules {
    pub(super) fn check(&self, value: &Number, found: &mut Found) {
        let Some(float) = value.as_f64() else {
            return;
        };
        let got = number::print(value);
        let bound = number::print_f64;
        if let Some(min) = self.minimum.filter(|min| float < *min) {
            found.push(format!("expected {got} to be at least {}", bound(min)));
        } else if let Some(min) = self.exclusive_minimum.filter(|min| float <= *min) {
            found.push(format!("expected {got} to be greater than {}", bound(min)));
        } else if let Some(max) = self.maximum.filter(|max| float > *max) {
            found.push(format!("expected {got} to be at most {}", bound(max)));
        } else if let Some(max) = self.exclusive_maximum.filter(|max| float >= *max) {
            found.push(format!("expected {got} to be smaller than {}", bound(max)));
        } else if let Some(of) = self.multiple_of.filter(|of| (float / of).fract() != 0.0) {
            found.push(format!("expected {got} to be a multiple of {}", bound(of)));
        }
    }
}

impl Format {
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let (name, fits) = match self {
            Format::Ipv4 => ("ipv4", text.parse::<Ipv4Addr>().is_ok()),
            Format::Ipv6 => ("ipv6", text.parse::<Ipv6Addr>().is_ok()),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("expect valid {name} address but got: {text}"))
        }
    }
}
