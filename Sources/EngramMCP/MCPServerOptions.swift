public import Logging

/// What a server offers, and to whom.
public struct MCPServerOptions: Sendable {
  /// Whose memories the tools read and write.
  public enum User: Sendable, Hashable {
    /// One user. No tool asks for a user, so a model cannot name a wrong one.
    case fixed(String)
    /// Each tool has a required argument `user`. Resources and prompts are not offered.
    case argument
  }

  /// Whose memories are served.
  public var user: User
  /// Only tools that change nothing are offered.
  public var isReadOnly: Bool
  /// Whether the tool that erases all of a user is offered.
  public var allowsForget: Bool
  /// How `memory_overview` names the store, such as its path.
  public var storeName: String
  /// The name of the program, as clients get it.
  public var name: String
  /// The version of the program, as clients get it.
  public var version: String
  /// Gets what a person should know. The client gets protocol messages only.
  public var logger: Logger

  /// - Parameters:
  ///   - user: Whose memories are served.
  ///   - isReadOnly: Whether only tools that change nothing are offered.
  ///   - allowsForget: Whether the tool that erases all of a user is offered. Without effect if `isReadOnly` is true.
  ///   - storeName: Shown to the model, so that it can tell an empty store from the wrong one.
  ///   - name: The name of the program, as clients get it.
  ///   - version: The version of the program, as clients get it.
  ///   - logger: Must not write to the output of the server.
  public init(
    user: User, isReadOnly: Bool = false, allowsForget: Bool = false, storeName: String, name: String = "engram", version: String,
    logger: Logger = Logger(label: "engram.mcp")
  ) {
    self.user = user
    self.isReadOnly = isReadOnly
    self.allowsForget = allowsForget
    self.storeName = storeName
    self.name = name
    self.version = version
    self.logger = logger
  }
}
