/// The hash that names a feature of a text: FNV-1a with 64 bits over the feature's bytes, then the finaliser of SplitMix64.
///
/// FNV-1a alone mixes its high bits poorly for short inputs; the finaliser makes every bit usable. Stored vectors depend on
/// each constant here, so none may change.
///
/// Sources: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm"; Steele, Lea, Flood, "Fast Splittable Pseudorandom
/// Number Generators" (2014), section 5, variant 13 of the mixer by Stafford.
struct FeatureHash {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  /// - Parameter kind: The first byte; keeps features of different kinds apart.
  init(kind: UInt8) {
    combine(byte: kind)
  }

  mutating func combine(byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
  }

  /// Takes in the UTF-8 bytes of a scalar value.
  mutating func combine(scalar: UInt32) {
    if scalar < 0x80 {
      combine(byte: UInt8(truncatingIfNeeded: scalar))
    } else if scalar < 0x800 {
      combine(byte: UInt8(truncatingIfNeeded: 0xc0 | scalar >> 6))
      combine(byte: UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3f))
    } else if scalar < 0x1_0000 {
      combine(byte: UInt8(truncatingIfNeeded: 0xe0 | scalar >> 12))
      combine(byte: UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3f))
      combine(byte: UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3f))
    } else {
      combine(byte: UInt8(truncatingIfNeeded: 0xf0 | scalar >> 18))
      combine(byte: UInt8(truncatingIfNeeded: 0x80 | scalar >> 12 & 0x3f))
      combine(byte: UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3f))
      combine(byte: UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3f))
    }
  }

  /// The hash of everything taken in so far; more may be combined afterwards.
  var value: UInt64 {
    var z = state &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
