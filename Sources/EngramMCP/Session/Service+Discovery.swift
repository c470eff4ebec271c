import Formats

extension Service {
  /// The result of `server/discover`.
  func discovery() -> Reply {
    Reply(caching: .listing) { writer in
      writer.key("supportedVersions")
      writer.beginArray()
      for revision in Revision.allCases { writer.write(revision.rawValue) }
      writer.endArray()
      writer.key("capabilities")
      writeCapabilities(to: &writer)
      writer.key("instructions")
      writer.write(instructions)
    }
  }

  /// The result of `initialize`.
  func greeting(_ handshake: Handshake) -> Reply {
    Reply { writer in
      writer.key("protocolVersion")
      writer.write(handshake.revision.rawValue)
      writer.key("capabilities")
      writeCapabilities(to: &writer)
      writer.key("serverInfo")
      identity.write(to: &writer)
      writer.key("instructions")
      writer.write(instructions)
    }
  }

  private func writeCapabilities(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("tools")
    writer.write(json: "{}")
    if fixedUser != nil {
      writer.key("prompts")
      writer.write(json: "{}")
      writer.key("resources")
      writer.write(json: #"{"subscribe":true}"#)
    }
    writer.endObject()
  }
}
