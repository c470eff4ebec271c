import Engram
import EngramBERT
import Formats
import Foundation

/// Answers `Tests/BertProbe/check.py`, which compares a model with its reference: `BertProbe FOLDER`.
///
/// Reads commands, a JSON object a line: `{"texts": […], "repeat": n}`. Answers with the token ids and the vectors of the texts, and the seconds of each
/// of `n` calls that embed all of them.
@main
struct BertProbe {
  static func main() async throws {
    guard CommandLine.arguments.count == 2 else {
      FileHandle.standardError.write(Data("usage: BertProbe FOLDER\n".utf8))
      exit(64)
    }
    let clock = ContinuousClock()
    let start = clock.now
    let embedder = try BertEmbedder(directory: URL(fileURLWithPath: CommandLine.arguments[1], isDirectory: true))
    FileHandle.standardError.write(Data("\(embedder.identity), read in \(clock.now - start)\n".utf8))
    while let line = readLine() {
      let command = try JSONReader.read(Array(line.utf8)) { try $0.readValue() }
      guard case .array(let elements)? = command["texts"], case .number(.integer(let count))? = command["repeat"] else { exit(64) }
      let texts = elements.compactMap { element in
        if case .string(let text) = element { text } else { nil }
      }
      var seconds: [Double] = []
      var vectors: [Embedding] = []
      for _ in 0..<max(1, count) {
        let start = clock.now
        vectors = try await embedder.embed(texts)
        seconds.append((clock.now - start) / .seconds(1))
      }
      var writer = JSONWriter()
      writer.beginObject()
      writer.key("seconds")
      writer.write(.array(seconds.map { .number(.real($0)) }))
      writer.key("ids")
      writer.write(.array(texts.map { .array(embedder.tokenIDs(of: $0).map { .number(.integer(Int64($0))) }) }))
      writer.key("vectors")
      writer.write(.array(vectors.map { .array($0.values.map { .number(.real(Double($0))) }) }))
      writer.endObject()
      FileHandle.standardOutput.write(Data(writer.bytes + [UInt8(ascii: "\n")]))
    }
  }
}
