import Engram
import Foundation

/// Memories and queries that `Tools/peers` prepared in a folder, the same for every peer.
///
/// `memories.jsonl` and `queries.jsonl` have a JSON object per line, `memories.f32` and `queries.f32` their vectors as rows of
/// little-endian float32.
struct PeerData {
  static let dimension = 384

  let queries: [(text: String, embedding: Embedding)]
  private let memories: [Line]
  private let embeddings: [Embedding]

  private struct Line: Decodable {
    var user: String?
    let text: String
    var session: String?
    var speaker: String?
    /// Milliseconds since 1970.
    var created: Int64?
  }

  init(_ folder: URL) throws {
    memories = try Self.lines(folder.appendingPathComponent("memories.jsonl"))
    embeddings = try Self.rows(folder.appendingPathComponent("memories.f32"))
    let asked = try Self.lines(folder.appendingPathComponent("queries.jsonl"))
    let vectors = try Self.rows(folder.appendingPathComponent("queries.f32"))
    guard memories.count == embeddings.count, asked.count == vectors.count else {
      throw PeerFailure(message: "\(folder.path) has not as many vectors as texts")
    }
    queries = zip(asked, vectors).map { ($0.text, $1) }
  }

  func draft(_ number: Int) -> MemoryDraft {
    let line = memories[number]
    return MemoryDraft(
      userID: line.user ?? "", text: line.text, embedding: embeddings[number], kind: "message", sessionID: line.session,
      speaker: line.speaker, createdAt: line.created.map { Date(timeIntervalSince1970: Double($0) / 1000) })
  }

  private static func lines(_ file: URL) throws -> [Line] {
    try Data(contentsOf: file).split(separator: 10).map { try JSONDecoder().decode(Line.self, from: $0) }
  }

  static func rows(_ file: URL) throws -> [Embedding] {
    let data = try Data(contentsOf: file, options: .alwaysMapped)
    let rowBytes = dimension * MemoryLayout<Float>.stride
    guard data.count % rowBytes == 0 else { throw PeerFailure(message: "\(file.path) has no whole number of rows") }
    return data.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: rowBytes).map { start in
        Embedding((0..<dimension).map { bytes.loadUnaligned(fromByteOffset: start + $0 * MemoryLayout<Float>.stride, as: Float.self) })
      }
    }
  }
}
