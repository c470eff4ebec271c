import Formats

extension StoreError {
  /// The message for people: with the place in a record or a text, if the cause names one. What else the layers below said is in the message already.
  public var detailedMessage: String {
    switch cause {
    case let cause as CBORError: "\(message): \(cause)"
    case let cause as JSONError: "\(message): \(cause)"
    default: message
    }
  }
}
