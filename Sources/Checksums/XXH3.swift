import CXXHash

/// XXH3 (Yann Collet, xxHash 0.8): the one hash behind every checksum and every user key.
package enum XXH3 {
  /// Bytes of a secret for ``hash128(_:secret:)``.
  package static let secretByteCount = 192

  /// The 64-bit hash of `bytes` under `seed`.
  ///
  /// - Complexity: O(bytes), about 20 ns for a short key.
  package static func hash64(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    // SAFETY: the buffer is alive for the call and XXH3 reads `count` bytes of it.
    unsafe XXH3_64bits_withSeed(bytes.baseAddress, bytes.count, seed)
  }

  /// The 64-bit hash of `bytes` under `seed`.
  package static func hash64(_ bytes: RawSpan, seed: UInt64 = 0) -> UInt64 {
    unsafe bytes.withUnsafeBytes { unsafe hash64($0, seed: seed) }
  }

  /// The 128-bit hash of `bytes` in 32 hexadecimal digits, high half first.
  ///
  /// - Complexity: O(bytes), about 10 ms for 90 MB.
  package static func hexadecimal128(_ bytes: UnsafeRawBufferPointer) -> String {
    // SAFETY: the buffer is alive for the call and XXH3 reads `count` bytes of it.
    let hash = unsafe XXH3_128bits(bytes.baseAddress, bytes.count)
    return [hash.high64, hash.low64].map { half in
      let digits = String(half, radix: 16)
      return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }.joined()
  }

  /// The 128-bit hash of `text`'s UTF-8 under a secret of at least ``secretByteCount`` bytes, high half first.
  package static func hash128(_ text: String, secret: [UInt8]) -> (high: UInt64, low: UInt64) {
    precondition(secret.count >= secretByteCount, "an XXH3 secret has at least \(secretByteCount) bytes")
    var text = text
    // SAFETY: both buffers are alive for the call; XXH3 needs 136 secret bytes and has 192.
    let hash = text.withUTF8 { utf8 in
      unsafe secret.withUnsafeBytes { unsafe XXH3_128bits_withSecret(utf8.baseAddress, utf8.count, $0.baseAddress!, $0.count) }
    }
    return (hash.high64, hash.low64)
  }
}
