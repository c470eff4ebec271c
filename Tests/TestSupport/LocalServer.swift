import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A real HTTP server on this machine, which answers correctly or not, as a test wants. It stops when it is released.
package final class LocalServer: Sendable {
  package struct Request: Sendable {
    package let method: String
    /// The path with the query.
    package let path: String
    /// By their names in lower case.
    package let headers: [String: String]
    package let body: [UInt8]
  }

  package enum Reply: Sendable {
    /// A complete answer; the connection stays open.
    case answer(Int, headers: [String: String] = [:], String)
    /// Sends these bytes as they are, then closes the connection.
    case bytes(String)
    /// Sends the first bytes, then the second ones again and again, until the client closes the connection.
    case endless(String, String)
    /// Sends nothing until the client closes the connection.
    case silence
    /// Resets the connection.
    case reset
  }

  private struct State {
    var requests: [Request] = []
    var connections: Set<Int32> = []
    var abandoned = 0
    var isClosed = false
  }

  private final class Shared: Sendable {
    let state = Mutex(State())
  }

  private let shared = Shared()
  private let listener: Int32
  package let port: Int

  /// - Parameters:
  ///   - reserved: The port to listen at; nil: a free one.
  ///   - reply: Called for each request on the thread of its connection, which it may block.
  package init(at reserved: ReservedPort? = nil, _ reply: @escaping @Sendable (Request) -> Reply) {
    let (listener, port) = ReservedPort.bound(to: reserved?.port)
    precondition(listen(listener, 64) == 0, "no test can run without a local server: errno \(errno)")
    (self.listener, self.port) = (listener, port)
    Thread.detachNewThread { [listener, shared] in
      while true {
        let connection = accept(listener, nil, nil)
        if connection < 0, errno == EINTR || errno == ECONNABORTED { continue }
        if connection < 0 { break }
        let isOpen = shared.state.withLock { state in
          if !state.isClosed { state.connections.insert(connection) }
          return !state.isClosed
        }
        guard isOpen else {
          close(connection)
          break
        }
        Thread.detachNewThread { Connection(descriptor: connection).serve(shared, reply) }
      }
      close(listener)
    }
  }

  deinit {
    // Wakes the threads, which close their own descriptors.
    shutdown(listener, Int32(SHUT_RDWR))
    shared.state.withLock { state in
      state.isClosed = true
      // Under the lock, because no connection is closed while it is held, so every number still belongs to its connection.
      for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
    }
  }

  /// For example `http://127.0.0.1:34567`.
  package var address: String { "http://127.0.0.1:\(port)" }

  /// All requests so far, in the order in which they arrived.
  package var requests: [Request] { shared.state.withLock { $0.requests } }

  /// How many silent or endless replies the client has ended by closing the connection.
  package var abandoned: Int { shared.state.withLock { $0.abandoned } }

  /// A port that no other process gets, and where only a ``LocalServer`` may listen.
  package final class ReservedPort: Sendable {
    private let descriptor: Int32
    package let port: Int

    package init() { (descriptor, port) = Self.bound(to: nil, isShared: true) }
    deinit { close(descriptor) }

    package var address: String { "http://127.0.0.1:\(port)" }

    /// A socket of this machine, bound to a port; nil: to a free port.
    fileprivate static func bound(to port: Int?, isShared: Bool = false) -> (Int32, port: Int) {
      #if canImport(Glibc)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      #endif
      var (yes, address) = (Int32(1), sockaddr_in())
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      address.sin_port = UInt16(port ?? 0).bigEndian
      var size = socklen_t(MemoryLayout<sockaddr_in>.size)
      // A server at a free port does not set the option: it could then get the port of another server.
      // SAFETY: the option and the address outlive the calls, which read and fill no more than their size.
      if port != nil || isShared { unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &yes, socklen_t(MemoryLayout<Int32>.size)) }
      let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
          unsafe bind(descriptor, pointer, size) == 0 && getsockname(descriptor, pointer, &size) == 0
        }
      }
      precondition(descriptor >= 0 && isBound, "no test can run without a local port: errno \(errno)")
      return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
  }

  /// One connection, served on its own thread.
  private struct Connection {
    let descriptor: Int32

    func serve(_ shared: Shared, _ reply: (Request) -> Reply) {
      var input: [UInt8] = []
      while let request = read(&input) {
        shared.state.withLock { $0.requests.append(request) }
        guard send(reply(request), shared) else { break }
      }
      // In this order, because the number may belong to another connection after `close`.
      shared.state.withLock { _ = $0.connections.remove(descriptor) }
      close(descriptor)
    }

    /// - Returns: Whether another request may come.
    private func send(_ reply: Reply, _ shared: Shared) -> Bool {
      switch reply {
      case .answer(let status, let headers, let body):
        var head = "HTTP/1.1 \(status) Status\r\nContent-Length: \(body.utf8.count)\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        return write(head + "\r\n" + body)
      case .bytes(let bytes): _ = write(bytes)
      case .endless(let first, let more):
        if write(first) { while write(more) {} }
        shared.state.withLock { $0.abandoned += 1 }
      case .silence:
        var rest: [UInt8] = []
        while receive(&rest) {}
        shared.state.withLock { $0.abandoned += 1 }
      case .reset:
        var linger = linger(l_onoff: 1, l_linger: 0)
        // SAFETY: the call reads the one struct that it is given.
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
      }
      return false
    }

    private func write(_ text: String) -> Bool {
      let bytes = Array(text.utf8)
      var sent = 0
      while sent < bytes.count {
        #if canImport(Glibc)
          let flags = Int32(MSG_NOSIGNAL)
        #else
          let flags: Int32 = 0
        #endif
        // SAFETY: the range lies in the array, which is alive for the call.
        let count = unsafe bytes[sent...].withUnsafeBytes { unsafe Foundation.send(descriptor, $0.baseAddress, $0.count, flags) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }

    private func receive(_ input: inout [UInt8]) -> Bool {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while true {
        // SAFETY: recv fills at most the buffer's own bytes.
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        input += buffer[..<count]
        return true
      }
    }

    /// Reads the next request; nil at the end of the connection.
    private func read(_ input: inout [UInt8]) -> Request? {
      let end = Array("\r\n\r\n".utf8)
      var headEnd = input.firstRange(of: end)
      while headEnd == nil {
        guard receive(&input) else { return nil }
        headEnd = input.firstRange(of: end)
      }
      guard let headEnd else { return nil }
      let lines = String(decoding: input[..<headEnd.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
      var headers: [String: String] = [:]
      for line in lines.dropFirst() {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
      }
      let length = Int(headers["content-length"] ?? "") ?? 0
      while input.count < headEnd.upperBound + length { guard receive(&input) else { return nil } }
      let body = Array(input[headEnd.upperBound..<headEnd.upperBound + length])
      input.removeFirst(headEnd.upperBound + length)
      let words = lines[0].split(separator: " ")
      guard words.count == 3 else { return nil }
      return Request(method: String(words[0]), path: String(words[1]), headers: headers, body: body)
    }
  }
}
