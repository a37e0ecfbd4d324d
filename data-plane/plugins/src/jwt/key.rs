//! Keys that verify tokens: parsed once, when a configuration is compiled (RFC 7518 section 3,
//! RFC 8037).

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms, reason = "the names of RFC 7518")]
pub(crate) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

impl Algorithm {
    /// The algorithm of this name. There is none called `none`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::HS256,
            "HS384" => Self::HS384,
            "HS512" => Self::HS512,
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "ES512" => Self::ES512,
            "EdDSA" => Self::EdDSA,
            _ => return None,
        })
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Whether the key is a shared secret.
    pub(crate) fn is_symmetric(self) -> bool {
        self.hash().is_some()
    }

    pub(super) fn hash(self) -> Option<hmac::Algorithm> {
        match self {
            Self::HS256 => Some(hmac::HMAC_SHA256),
            Self::HS384 => Some(hmac::HMAC_SHA384),
            Self::HS512 => Some(hmac::HMAC_SHA512),
            _ => None,
        }
    }

    /// RSA keys of 1,024 bits, which APISIX takes, are taken where the library has them.
    fn verifier(self) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match self {
            Self::HS256 | Self::HS384 | Self::HS512 => return None,
            Self::RS256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Self::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::RS512 => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            Self::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::ES512 => &signature::ECDSA_P521_SHA512_FIXED,
            Self::EdDSA => &signature::ED25519,
        })
    }
}

/// A key, with the one algorithm that it is for.
pub(crate) struct VerifyKey {
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl VerifyKey {
    /// A shared secret; `None` when the algorithm takes none.
    pub(crate) fn secret(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        let key = hmac::Key::new(algorithm.hash()?, secret);
        Some(Self {
            algorithm,
            material: Material::Secret(Box::new(key)),
        })
    }

    /// A public key in PEM; `None` when it is none, or not one of the algorithm.
    pub(crate) fn public_pem(algorithm: Algorithm, pem: &str) -> Option<Self> {
        let der = der(pem, &["PUBLIC KEY", "RSA PUBLIC KEY"])?;
        Self::public_der(algorithm, &der)
    }

    /// A public key as `SubjectPublicKeyInfo` or `RSAPublicKey` in DER.
    pub(crate) fn public_der(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(algorithm.verifier()?, der).ok()?;
        Some(Self {
            algorithm,
            material: Material::Public(key),
        })
    }

    /// What it is for.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// What stands between the lines of a PEM text of one of these kinds (RFC 7468).
pub(crate) fn der(pem: &str, kinds: &[&str]) -> Option<Vec<u8>> {
    kinds.iter().find_map(|kind| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {kind}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
        let body: String = body.split_whitespace().collect();
        STANDARD.decode(body).ok()
    })
}
