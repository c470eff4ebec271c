/// IEEE 754 binary16 by integer arithmetic, because Swift's `Float16` is missing on some platforms and a library call on others.
@usableFromInline enum CBORHalfFloat {
  /// The binary16 pattern of the same value, or `nil` if only a wider format keeps it. `value` must not be NaN.
  @inlinable
  static func pattern(exactly value: Float) -> UInt16? {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let exponent = Int((bits >> 23) & 0xff) - 127
    let fraction = bits & 0x7f_ffff
    switch exponent {
    case -14...15:
      guard fraction & 0x1fff == 0 else { return nil }
      return sign | UInt16(truncatingIfNeeded: (UInt32(exponent + 15) << 10) | (fraction >> 13))
    case -24 ... -15:
      // A subnormal half counts units of 2⁻²⁴: the full significand loses one bit for each step below 2⁻¹⁴.
      let shift = UInt32(-1 - exponent)
      let significand = fraction | 0x80_0000
      guard significand & ((1 << shift) - 1) == 0 else { return nil }
      return sign | UInt16(truncatingIfNeeded: significand >> shift)
    case 128:
      return fraction == 0 ? sign | 0x7c00 : nil
    default:
      return exponent == -127 && fraction == 0 ? sign : nil
    }
  }

  @inlinable
  static func value(_ pattern: UInt16) -> Double {
    let sign = UInt64(pattern & 0x8000) << 48
    let exponent = UInt64((pattern >> 10) & 0x1f)
    let fraction = UInt64(pattern & 0x3ff)
    switch exponent {
    case 0:
      let magnitude = Double(fraction) * 0x1p-24
      return sign == 0 ? magnitude : -magnitude
    case 31:
      return Double(bitPattern: sign | 0x7ff0_0000_0000_0000 | (fraction << 42))
    default:
      return Double(bitPattern: sign | ((exponent + 1008) << 52) | (fraction << 42))
    }
  }
}
