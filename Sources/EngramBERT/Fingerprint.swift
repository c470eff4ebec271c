import Checksums
import Formats

/// Identifies the weights, tokens and settings that make a vector.
enum Fingerprint {
  /// The version of the arithmetic: to be increased with each change that changes vectors by more than rounding.
  private static let arithmetic = 1

  /// XXH3-128 in hexadecimal digits.
  static func of(_ folder: ModelFolder, weights: String, queryPrefix: String, passagePrefix: String) -> String {
    let tokenizer = folder.tokenizer
    let normalizer = tokenizer.normalizer
    var parts = [
      "\(arithmetic)", weights, "\(folder.shape)", folder.pooling.rawValue, "\(folder.normalizes)", "\(folder.lowercasesTexts)",
      "\(normalizer)", "\(tokenizer.maximumTokens)", "\(tokenizer.longestWord)", tokenizer.unknownToken, tokenizer.continuingPrefix,
      queryPrefix, passagePrefix,
    ]
    parts += tokenizer.specialTokens.map { "\($0.id) \($0.text)" }
    parts += tokenizer.tokens
    // Each part with its length, so that no two lists of parts give the same bytes.
    var bytes: [UInt8] = []
    for part in parts {
      bytes.append(contentsOf: "\(part.utf8.count):".utf8)
      bytes.append(contentsOf: part.utf8)
    }
    // SAFETY: the array is alive for the call.
    return unsafe bytes.withUnsafeBytes { unsafe XXH3.hexadecimal128($0) }
  }
}
