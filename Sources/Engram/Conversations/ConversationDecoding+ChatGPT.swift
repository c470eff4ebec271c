import Formats
import Foundation

/// Conversations of a data export of ChatGPT: trees of messages.
extension ConversationDecoding {
  private struct Node {
    let id: String
    var parent: String?
    let message: JSONValue?
    let time: Date?
  }

  mutating func decodeChatGPT(_ value: JSONValue) throws {
    id = try value.name(["id", "conversation_id"])
    guard case .object(let mapping)? = value["mapping"] else { throw ShapeFault(message: "'mapping' is missing, or no object") }
    let tree = try Tree(mapping)
    let path = tree.path(to: try value.text("current_node"))
    let shown = options.branches == .current ? path : tree.all()
    var messages: [Conversation.Message] = []
    for index in shown {
      if let message = try message(tree.nodes[index], tree.inherited[index].time) { messages.append(message) }
    }
    if options.branches == .current {
      // Counts the messages of other branches that would be kept. A copy decodes them, so that their own omissions are not counted.
      let isShown = Set(shown)
      var others = self
      for index in tree.nodes.indices where !isShown.contains(index) {
        if try others.message(tree.nodes[index], nil) != nil { leaveOut(.branch) }
      }
    }
    guard !messages.isEmpty else { return }
    let begin = try value.time(["create_time"])
    let changed = messages.contains { $0.createdAt != nil } ? nil : try value.time(["update_time"])
    conversations = [
      Conversation(
        id: id ?? placeName, userID: requiredUserID, title: try value.text("title"), createdAt: begin ?? changed, messages: messages)
    ]
  }

  /// Nil if the message is left out.
  private mutating func message(_ node: Node, _ time: Date?) throws(ShapeFault) -> Conversation.Message? {
    guard let value = node.message else { return nil }
    do throws(ShapeFault) {
      let role = MessageRole.name(try value.member("author")?.text("role") ?? "")
      if let omission = omission(ofRole: role) {
        leaveOut(omission)
        return nil
      }
      let isHidden = value["metadata"]?["is_visually_hidden_from_conversation"]?.isTrue ?? false
      if isHidden || value["weight"] == .number(.real(0)) || value["weight"] == .number(.integer(0)) {
        leaveOut(.hidden)
        return nil
      }
      if let recipient = try value.text("recipient"), recipient != "all", !options.roles.contains("tool") {
        leaveOut(.tool)
        return nil
      }
      guard let content = value.member("content") else {
        leaveOut(.empty)
        return nil
      }
      guard let text = try text(content, ofTool: role == "tool") else {
        leaveOut(.unsupported)
        return nil
      }
      guard !text.isBlank else {
        leaveOut(.empty)
        return nil
      }
      let speaker = role == "tool" ? try value.member("author")?.text("name") : nil
      return Conversation.Message(role: role, speaker: speaker, text: text, createdAt: time, id: try value.text("id") ?? node.id)
    } catch {
      throw ShapeFault(message: "message '\(TerminalText.excerpt(node.id))': \(error.message)")
    }
  }

  /// Nil if the content is of a type that is no text.
  private mutating func text(_ content: JSONValue, ofTool isTool: Bool) throws(ShapeFault) -> String? {
    switch try content.text("content_type") {
    case "text"?, "multimodal_text"?:
      var texts: [String] = []
      for part in try content.list("parts") ?? [] {
        switch part {
        case .string(let text): if !text.isBlank { texts.append(text) }
        case .object where part["content_type"] == .string("audio_transcription"): texts.append(try part.text("text") ?? "")
        case .null: break
        default: attachments += 1
        }
      }
      return texts.joined(separator: "\n")
    case "code"?: return try content.text("text") ?? ""
    case "execution_output"? where isTool, "tether_quote"? where isTool: return try content.text("text") ?? ""
    case "tether_browsing_display"? where isTool: return try content.text("result") ?? ""
    default: return nil
    }
  }

  /// The messages of a conversation as a tree: the parent of a message is the one that it answers.
  private struct Tree {
    private(set) var nodes: [Node] = []
    private(set) var inherited: [Inherited] = []
    private var indexes: [String: Int] = [:]

    init(_ mapping: [JSONValue.Member]) throws {
      var parents: [String: String] = [:]
      for member in mapping {
        for child in try member.value.list("children") ?? [] { if case .string(let id) = child { parents[id] = member.key } }
      }
      for member in mapping {
        let message = member.value.member("message")
        do {
          nodes.append(
            Node(
              id: member.key, parent: try member.value.text("parent") ?? parents[member.key], message: message,
              time: try message?.time(["create_time"])))
        } catch {
          throw ShapeFault(message: "message '\(TerminalText.excerpt(member.key))': \(error.message)")
        }
        indexes[member.key] = nodes.count - 1
      }
      inherited = inheritance()
    }

    private func parent(of index: Int) -> Int? { nodes[index].parent.flatMap { indexes[$0] } }

    /// The nodes from the root to `current`, or to the newest leaf; a cycle or a missing parent ends the path.
    func path(to current: String?) -> [Int] {
      guard var index = current.flatMap({ indexes[$0] }) ?? newestLeaf else { return [] }
      var path = [index]
      var seen: Set = [index]
      while let next = parent(of: index), seen.insert(next).inserted {
        path.append(next)
        index = next
      }
      return path.reversed()
    }

    /// The node without a child that has the latest time; of several, the last in the file. If each node has a child, all are considered.
    private var newestLeaf: Int? {
      let parents = Set(nodes.indices.compactMap { parent(of: $0) })
      let leaves = nodes.indices.filter { !parents.contains($0) }
      return (leaves.isEmpty ? Array(nodes.indices) : leaves).max {
        time(of: $0) < time(of: $1) || (time(of: $0) == time(of: $1) && $0 < $1)
      }
    }

    private func time(of index: Int) -> Date { nodes[index].time ?? .distantPast }

    /// All nodes in order of time, but each after its parent.
    func all() -> [Int] {
      let (latest, depth) = (inherited.map { $0.latest ?? .distantPast }, inherited.map(\.depth))
      return nodes.indices.sorted { (latest[$0], depth[$0], $0) < (latest[$1], depth[$1], $1) }
    }

    /// What a node inherits from its ancestors.
    struct Inherited {
      /// Its own time, or that of the nearest ancestor that has one.
      var time: Date?
      /// The latest time of the node and its ancestors.
      var latest: Date?
      var depth = 0
    }

    /// - Complexity: O(nodes): each is visited once; the walk from a node ends at one that was visited, and so in a cycle.
    private func inheritance() -> [Inherited] {
      var known = [Inherited?](repeating: nil, count: nodes.count)
      var isVisited = [Bool](repeating: false, count: nodes.count)
      for index in nodes.indices {
        var way: [Int] = []
        var next: Int? = index
        while let node = next, !isVisited[node] {
          isVisited[node] = true
          way.append(node)
          next = parent(of: node)
        }
        var last = next.flatMap { known[$0] } ?? Inherited()
        for node in way.reversed() {
          let time = nodes[node].time
          last = Inherited(time: time ?? last.time, latest: [time, last.latest].compactMap { $0 }.max(), depth: last.depth + 1)
          known[node] = last
        }
      }
      return known.map { $0 ?? Inherited() }
    }
  }
}
