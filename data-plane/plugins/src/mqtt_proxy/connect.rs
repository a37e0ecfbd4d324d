//! The packet that every MQTT client sends first: CONNECT (MQTT 3.1.1 section 3.1, MQTT 5.0 section
//! 3.1), up to the identifier of the client.

/// Type and flags of the packet, which are fixed.
const CONNECT: u8 = 0x10;
/// Bytes of a length with seven bits each.
const LENGTH_BYTES: u32 = 4;
/// Since this level there are properties before the identifier.
const WITH_PROPERTIES: u8 = 5;

/// What a CONNECT tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Connect<'b> {
    /// Name of the protocol.
    pub(super) protocol: &'b [u8],
    /// Its level: 3 for 3.1, 4 for 3.1.1, 5 for 5.0.
    pub(super) level: u8,
    /// Empty where the server is to give one.
    pub(super) client_id: &'b str,
}

/// Why there is no CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// More must come.
    Incomplete,
    /// It is another packet, or none.
    Other,
    /// Its parts do not fit together.
    Malformed,
}

impl Fault {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "the CONNECT packet is too long",
            Self::Other => "the first packet is not CONNECT",
            Self::Malformed => "the CONNECT packet is malformed",
        }
    }
}

/// Reads the beginning of what a client sends.
pub(super) fn read(bytes: &[u8]) -> Result<Connect<'_>, Fault> {
    let (&first, rest) = bytes.split_first().ok_or(Fault::Incomplete)?;
    if first != CONNECT {
        return Err(Fault::Other);
    }
    let mut header = Cursor {
        rest,
        // Of the packet nothing is known yet but that its length comes.
        left: LENGTH_BYTES as usize,
    };
    let left = header.length()?;
    let mut packet = Cursor {
        rest: header.rest,
        left,
    };
    let protocol = packet.text()?;
    let level = packet.byte()?;
    // Flags, and how long the client may be silent.
    packet.take(3)?;
    if level >= WITH_PROPERTIES {
        let properties = packet.length()?;
        packet.take(properties)?;
    }
    let client_id = std::str::from_utf8(packet.text()?).map_err(|_| Fault::Malformed)?;
    Ok(Connect {
        protocol,
        level,
        client_id,
    })
}

struct Cursor<'b> {
    rest: &'b [u8],
    /// Bytes that may be taken, whether they have come or not.
    left: usize,
}

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], Fault> {
        self.left = self.left.checked_sub(count).ok_or(Fault::Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Incomplete)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.take(1)?.first().copied().ok_or(Fault::Incomplete)
    }

    /// Seven bits in each byte, the lowest first; the eighth says that another one follows.
    fn length(&mut self) -> Result<usize, Fault> {
        let mut length = 0_usize;
        for position in 0..LENGTH_BYTES {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(Fault::Malformed)
    }

    fn text(&mut self) -> Result<&'b [u8], Fault> {
        let mut length = 0;
        for byte in self.take(2)? {
            length = length << 8 | usize::from(*byte);
        }
        self.take(length)
    }
}
