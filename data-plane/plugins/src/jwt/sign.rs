//! Keys that sign tokens: parsed once, when a configuration is compiled.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair, RsaSignatureEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::key::{Algorithm, der};

/// Bytes of the largest RSA modulus: with a larger one a signature takes a worker too long.
const LARGEST_MODULUS: usize = 256;

/// A key, with the one algorithm that it is for.
pub(crate) struct SigningKey {
    algorithm: &'static str,
    id: Option<String>,
    material: Material,
}

enum Material {
    Secret(Box<hmac::Key>),
    Rsa(Box<RsaKeyPair>, &'static RsaSignatureEncoding),
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// A shared secret.
    ///
    /// # Errors
    /// The algorithm takes none.
    pub(crate) fn secret(name: &str, secret: &[u8], id: Option<String>) -> Result<Self, String> {
        let known = Algorithm::named(name);
        let known = known.and_then(|known| Some((known, known.hash()?)));
        let (algorithm, hash) =
            known.ok_or_else(|| format!("algorithm {name:?} takes no secret"))?;
        Ok(Self {
            algorithm: algorithm.name(),
            id,
            material: Material::Secret(Box::new(hmac::Key::new(hash, secret))),
        })
    }

    /// A private key in PEM: PKCS #8, or what RSA and EC keys have of their own.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub(crate) fn private_pem(name: &str, pem: &str, id: Option<String>) -> Result<Self, String> {
        let wrong = || format!("not a private key in PEM for {name}");
        let algorithm =
            Algorithm::named(name).ok_or_else(|| format!("unknown algorithm {name:?}"))?;
        let pkcs8 = der(pem, &["PRIVATE KEY"]);
        let rsa = |encoding: &'static RsaSignatureEncoding| {
            let pair = match &pkcs8 {
                Some(der) => RsaKeyPair::from_pkcs8(der),
                None => RsaKeyPair::from_der(&der(pem, &["RSA PRIVATE KEY"]).ok_or_else(wrong)?),
            };
            let pair = pair.map_err(|_| wrong())?;
            if pair.public_modulus_len() > LARGEST_MODULUS {
                return Err("RSA keys have 2048 bits at most here; use ES256 for more".to_owned());
            }
            Ok(Material::Rsa(Box::new(pair), encoding))
        };
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            let pair = match &pkcs8 {
                Some(der) => EcdsaKeyPair::from_pkcs8(algorithm, der),
                None => {
                    let der = der(pem, &["EC PRIVATE KEY"]).ok_or_else(wrong)?;
                    EcdsaKeyPair::from_private_key_der(algorithm, &der)
                }
            };
            Ok(Material::Ecdsa(Box::new(pair.map_err(|_| wrong())?)))
        };
        let material = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                Err(format!("algorithm {name} takes a secret"))
            }
            Algorithm::RS256 => rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::PS256 => rsa(&signature::RSA_PSS_SHA256),
            Algorithm::PS384 => rsa(&signature::RSA_PSS_SHA384),
            Algorithm::PS512 => rsa(&signature::RSA_PSS_SHA512),
            Algorithm::ES256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::ES512 => ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDSA => {
                let pair = pkcs8.as_deref().ok_or_else(wrong)?;
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pair);
                Ok(Material::Ed25519(Box::new(pair.map_err(|_| wrong())?)))
            }
        }?;
        Ok(Self {
            algorithm: algorithm.name(),
            id,
            material,
        })
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// There is no randomness.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, String> {
        let mut header = json!({"alg": self.algorithm, "typ": "JWT"});
        if let (Some(id), Some(fields)) = (&self.id, header.as_object_mut()) {
            fields.insert("kid".into(), id.clone().into());
        }
        self.sign_with(&header, claims)
    }

    /// A token with these claims and this header, which says by which algorithm it is signed.
    ///
    /// # Errors
    /// There is no randomness.
    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> Result<String, String> {
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.signature(token.as_bytes());
        let signature = signature.ok_or("a token could not be signed")?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        Some(match &self.material {
            Material::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
            Material::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)
                    .ok()?;
                signature
            }
            Material::Ecdsa(pair) => pair.sign(&random, message).ok()?.as_ref().to_vec(),
            Material::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::KeyPair;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::jwt::tests::pem as public_pem;
    use crate::jwt::{Token, VerifyKey};

    fn private(der: &[u8]) -> String {
        let body = STANDARD.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    #[test]
    fn what_is_signed_can_be_verified() {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let rsa_pem = private(AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref());
        let public = |der: PublicKeyX509Der<'_>| public_pem(der.as_ref());
        let rsa_public = public(rsa.public_key().as_der().unwrap());
        let ec = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let ec_pem = private(ec.to_pkcs8v1().unwrap().as_ref());
        let ec_public = public(ec.public_key().as_der().unwrap());
        let ed = Ed25519KeyPair::generate().unwrap();
        let ed_pem = private(AsDer::<Pkcs8V1Der<'_>>::as_der(&ed).unwrap().as_ref());
        let ed_public = public(ed.public_key().as_der().unwrap());
        for (name, private, public) in [
            ("RS256", &rsa_pem, &rsa_public),
            ("PS512", &rsa_pem, &rsa_public),
            ("ES256", &ec_pem, &ec_public),
            ("EdDSA", &ed_pem, &ed_public),
        ] {
            let key = SigningKey::private_pem(name, private, Some("k1".into())).unwrap();
            let text = key.sign(&json!({"sub": "jack"})).unwrap();
            let algorithm = Algorithm::named(name).unwrap();
            let verify = VerifyKey::public_pem(algorithm, public).unwrap();
            let token = Token::parse(&text).unwrap();
            assert!(token.is_signed_by(&verify), "{name}");
            assert_eq!(token.text("sub"), Some("jack"));
        }
        let key = SigningKey::secret("HS512", b"secret", None).unwrap();
        let text = key.sign(&json!({})).unwrap();
        let verify = VerifyKey::secret(Algorithm::HS512, b"secret").unwrap();
        assert!(Token::parse(&text).unwrap().is_signed_by(&verify));
    }

    #[test]
    fn wrong_keys_are_refused_without_being_shown() {
        let told = |name: &str, pem: &str| SigningKey::private_pem(name, pem, None).err().unwrap();
        assert_eq!(
            told("RS256", "secret"),
            "not a private key in PEM for RS256"
        );
        assert_eq!(told("HS256", "secret"), "algorithm HS256 takes a secret");
        assert_eq!(told("none", "secret"), "unknown algorithm \"none\"");
        let large = RsaKeyPair::generate(KeySize::Rsa3072).unwrap();
        let large = private(AsDer::<Pkcs8V1Der<'_>>::as_der(&large).unwrap().as_ref());
        assert!(told("RS256", &large).starts_with("RSA keys have 2048 bits"));
        assert!(SigningKey::secret("ES256", b"a", None).is_err());
    }
}
