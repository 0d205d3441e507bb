#include "tests/replay/l7_corpus.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>

#include "base/address.h"
#include "base/bytes.h"
#include "control/main/replay_capture.h"
#include "lookup/l7_quic.h"

namespace sluice {
namespace {

constexpr std::size_t kDatagramsMax = 8;  // of one side that are asked about

struct Segment {
  bool is_tcp = false;
  std::string from;  // "address:port"
  std::string to;
  std::uint32_t sequence = 0;
  std::uint8_t flags = 0;
  std::vector<std::uint8_t> payload;
};

std::string endpoint(const IpAddr& address, std::uint16_t port) {
  const std::string text = address.to_string();
  return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

CorpusKey key_of(bool is_tcp, const std::string& a, const std::string& b) {
  return (is_tcp ? "TCP " : "UDP ") + std::min(a, b) + " " + std::max(a, b);
}

IpAddr read_v6(ByteCursor& cursor) {
  const std::uint64_t high = std::uint64_t{cursor.u32()} << 32 | cursor.u32();
  const std::uint64_t low = std::uint64_t{cursor.u32()} << 32 | cursor.u32();
  return IpAddr::v6(high, low);
}

// The transport of an Ethernet frame; false if there is none that interests us.
bool read_segment(std::span<const std::uint8_t> frame, Segment& segment) {
  ByteCursor cursor(frame);
  cursor.skip(12);
  std::uint16_t type = cursor.u16();
  while (type == 0x8100 || type == 0x88a8) {
    cursor.skip(2);
    type = cursor.u16();
  }
  IpAddr source;
  IpAddr destination;
  std::uint8_t protocol = 0;
  ByteCursor transport({});
  if (type == 0x0800) {
    ByteCursor ip(cursor.ahead());
    const std::size_t header = static_cast<std::size_t>(ip.u8() & 15) * 4;
    ip.skip(1);
    const std::size_t total = ip.u16();
    ip.skip(2);
    if ((ip.u16() & 0x3fff) != 0) return false;  // a fragment
    ip.skip(1);
    protocol = ip.u8();
    ip.skip(2);
    source = IpAddr::v4(ip.u32());
    destination = IpAddr::v4(ip.u32());
    const auto whole = cursor.ahead();
    if (total < header || header > whole.size()) return false;
    transport = ByteCursor(whole.first(std::min(total, whole.size())).subspan(header));
  } else if (type == 0x86dd) {
    cursor.skip(4);
    const std::size_t size = cursor.u16();
    protocol = cursor.u8();
    cursor.skip(1);
    source = read_v6(cursor);
    destination = read_v6(cursor);
    transport = ByteCursor(cursor.take(std::min(size, cursor.left())));
  } else {
    return false;
  }
  segment.is_tcp = protocol == 6;
  if (protocol != 6 && protocol != 17) return false;
  const std::uint16_t source_port = transport.u16();
  const std::uint16_t destination_port = transport.u16();
  segment.from = endpoint(source, source_port);
  segment.to = endpoint(destination, destination_port);
  if (segment.is_tcp) {
    segment.sequence = transport.u32();
    transport.skip(4);
    const std::size_t header = static_cast<std::size_t>(transport.u8() >> 4) * 4;
    segment.flags = transport.u8();
    if (header < 20) return false;
    transport.skip(header - 14);
  } else {
    transport.skip(4);
  }
  if (!transport.is_good()) return false;
  const auto rest = transport.rest();
  segment.payload.assign(rest.begin(), rest.end());
  return true;
}

// One side of a conversation.
struct Side {
  std::string endpoint;
  bool has_sequence = false;
  std::uint32_t next = 0;
  std::vector<std::uint8_t> stream;
  std::map<std::uint32_t, std::vector<std::uint8_t>> early;  // by distance from the first byte
  std::uint32_t first = 0;
  std::size_t datagrams = 0;
};

void add_to_stream(Side& side, const Segment& segment) {
  const bool is_syn = (segment.flags & 2) != 0;
  if (!side.has_sequence) {
    side.has_sequence = true;
    side.first = segment.sequence + (is_syn ? 1 : 0);
  }
  if (segment.payload.empty()) return;
  const std::uint32_t offset = segment.sequence + (is_syn ? 1 : 0) - side.first;
  if (offset < kL7HelloBytes) side.early[offset] = segment.payload;
  for (const auto& [begin, bytes] : side.early) {
    if (begin > side.stream.size()) break;
    const std::size_t known = side.stream.size() - begin;
    if (known < bytes.size()) {
      side.stream.insert(side.stream.end(), bytes.begin() + static_cast<std::ptrdiff_t>(known),
                         bytes.end());
    }
  }
}

class Conversation {
 public:
  Conversation(const Segment& first)
      : transport_(first.is_tcp ? L7Transport::Tcp : L7Transport::Udp), hello_(storage_) {
    const bool is_answer = first.is_tcp && (first.flags & 0x12) == 0x12;
    sides_[0].endpoint = is_answer ? first.to : first.from;
    sides_[1].endpoint = is_answer ? first.from : first.to;
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  void add(const Segment& segment, const L7Patterns& patterns, L7Scratch& scratch) {
    const std::size_t which = segment.from == sides_[0].endpoint ? 0 : 1;
    Side& side = sides_[which];
    const bool is_tcp = transport_ == L7Transport::Tcp;
    if (is_tcp) add_to_stream(side, segment);
    const std::vector<std::uint8_t>& bytes = is_tcp ? side.stream : segment.payload;
    if (bytes.empty()) return;
    if (!is_tcp && ++side.datagrams > kDatagramsMax) return;
    const L7Side from = which == 0 ? L7Side::Initiator : L7Side::Responder;
    if (answer_.app == App::Unknown) {
      const L7Answer said = identify(patterns, scratch, {transport_, from, bytes, true, left_});
      left_ = said.candidates;
      answer_.app = said.app;
    }
    if (from == L7Side::Initiator && answer_.name.state == NameState::NeedMore) {
      answer_.name = answer_.app == App::Quic ? hello_.add(bytes, scratch)
                                              : find_name(answer_.app, transport_, bytes, scratch);
      if (answer_.app == App::Unknown) answer_.name.state = NameState::NeedMore;
    }
  }

  const CorpusAnswer& answer() const { return answer_; }

 private:
  L7Transport transport_;
  std::array<Side, 2> sides_;
  AppSet left_ = AppSet::all();
  CorpusAnswer answer_;
  std::array<std::uint8_t, kL7HelloBytes> storage_{};
  QuicHello hello_;
};

// An endpoint as endpoint() writes it, whatever the form of its IPv6 address.
std::string canonical(const std::string& written) {
  if (!written.starts_with('[')) return written;
  const std::size_t end = written.find(']');
  const auto address = IpAddr::parse(written.substr(1, end - 1));
  if (!address) return written;
  return "[" + address->to_string() + written.substr(end);
}

std::string part(const std::string& line, const std::string& begin, const std::string& ends) {
  const std::size_t at = line.find(begin);
  if (at == std::string::npos) return "";
  const std::size_t from = at + begin.size();
  return line.substr(from, std::min(line.find_first_of(ends, from), line.size()) - from);
}

}  // namespace

std::vector<NamedFlow> read_results(const std::filesystem::path& file) {
  std::vector<NamedFlow> flows;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    // "	1	TCP 192.0.2.1:4000 <-> 198.51.100.1:80 [proto: 7/HTTP][...": of other
    // transports nothing.
    std::istringstream words(line);
    std::string number;
    std::string transport;
    std::string from;
    std::string arrow;
    std::string to;
    words >> number >> transport >> from >> arrow >> to;
    const bool is_tcp = transport == "TCP";
    if (!line.starts_with('\t') || (!is_tcp && transport != "UDP") || !arrow.ends_with("->")) {
      continue;
    }
    NamedFlow flow;
    flow.key = key_of(is_tcp, canonical(from), canonical(to));
    const std::string proto = part(line, "[proto: ", "]");
    flow.protocol = proto.substr(proto.find('/') + 1);
    flow.is_guess = line.find("[Confidence: Match by port]") != std::string::npos;
    const std::string guess = part(line, "[FPC: ", ",]");
    flow.first_packet = guess.substr(guess.find('/') + 1);
    flow.host = part(line, "[Hostname/SNI: ", "]");
    flow.ja4 = part(line, "[JA4: ", "]");
    flows.push_back(flow);
  }
  return flows;
}

std::map<CorpusKey, CorpusAnswer> judge_capture(const std::filesystem::path& file,
                                                const L7Patterns& patterns, L7Scratch& scratch) {
  std::map<CorpusKey, std::unique_ptr<Conversation>> conversations;
  const auto reader = std::move(CaptureReader::open(file.string()).value());
  CapturedPacket packet;
  while (true) {
    const Result<bool> more = reader->next(packet);
    if (!more || !*more) break;
    Segment segment;
    if (!read_segment(packet.frame, segment)) continue;
    auto& conversation = conversations[key_of(segment.is_tcp, segment.from, segment.to)];
    if (conversation == nullptr) conversation = std::make_unique<Conversation>(segment);
    conversation->add(segment, patterns, scratch);
  }
  std::map<CorpusKey, CorpusAnswer> answers;
  for (const auto& [key, conversation] : conversations) answers[key] = conversation->answer();
  return answers;
}

}  // namespace sluice
