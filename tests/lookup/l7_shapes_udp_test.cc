// First datagrams: what each is identified as, and what resembles it.

#include "lookup/l7_shapes_udp.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/lookup/hello_builder.h"
#include "tests/lookup/l7_fixture.h"
#include "tests/lookup/quic_sealer.h"

namespace sluice {
namespace {

constexpr L7Side kClient = L7Side::Initiator;
constexpr L7Side kServer = L7Side::Responder;

struct Datagram {
  App app;
  L7Side side;
  ByteList bytes;
};

ByteList text(std::string_view line) {
  ByteList bytes;
  put(bytes, line);
  return bytes;
}

ByteList sized(std::string_view hex, std::size_t size) {
  ByteList bytes = from_hex(hex);
  bytes.resize(size);
  return bytes;
}

ByteList dhcp() {
  ByteList bytes = sized("01 01 06 00 12345678", 236);
  put(bytes, from_hex("63825363 350101 ff"));
  return bytes;
}

std::vector<Datagram> datagrams() {
  L7Fixture l7;
  const ByteList initial =
      InitialPacket().seal(crypto_frame(0, HelloBuilder().handshake()), l7.scratch().crypto());
  return {
      {App::Dns, kClient, from_hex("1234 0100 0001 0000 0000 0001 00 0001 0001 00 0029 1000 0000")},
      {App::Dns, kServer, from_hex("1234 8180 0001 0000 0000 0000 00 0001 0001")},
      {App::Quic, kClient, initial},
      {App::Quic, kServer, from_hex("c000000001 00 08 0102030405060708 0000")},
      {App::Quic, kServer, from_hex("80 00000000 00 00 00000001 6b3343cf")},
      {App::Quic, kClient, sized("0d 0102030405060708 51303433 01", 1200)},
      {App::Ntp, kClient, sized("23 00 06 ec", 48)},
      {App::Ntp, kServer, sized("24 02 06 e8 00000010", 48)},
      {App::Ntp, kClient, from_hex("16 02 0001 0000 0000 0000 0000")},
      {App::Ntp, kClient, sized("17 00 03 2a 0000 0000", 48)},
      {App::Dhcp, kClient, dhcp()},
      {App::Dhcp, kClient, from_hex("01 123456 0001 0004 00030001 0008 0002 0000")},
      {App::Stun, kClient, from_hex("0001 0000 2112a442 000102030405060708090a0b")},
      {App::Stun, kServer,
       from_hex("0101 0008 2112a442 000102030405060708090a0b 00200004 01020304")},
      {App::Stun, kClient,
       from_hex("0001 0008 01020304 000102030405060708090a0b 00030004 00000000")},
      {App::Snmp, kClient, from_hex("3013 020101 0406 7075626c6963 a006 020101 020100")},
      {App::Snmp, kClient, from_hex("3006 020103 3001 00")},
      {App::Bittorrent, kClient, text("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe")},
      {App::Bittorrent, kClient, from_hex("0000041727101980 00000000 12345678")},
      {App::Bittorrent, kClient, from_hex("41004567 ed639296 00000000 00100000 0001 0000")},
      {App::Bittorrent, kServer, from_hex("21004567 ed639296 00000100 00100000 0001 0001")},
      {App::Wireguard, kClient, sized("01000000 1234", 148)},
      {App::Wireguard, kServer, sized("02000000 1234", 92)},
      {App::Openvpn, kClient, from_hex("38 0102030405060708 00 00000000")},
      {App::Openvpn, kServer,
       from_hex("40 0102030405060708 01 00000000 0102030405060708 00000000")},
      {App::Openvpn, kClient,
       from_hex("38 0102030405060708 000102030405060708090a0b0c0d0e0f10111213 00000001 5f000000 00 "
                "00000000")},
      {App::Ldap, kClient, from_hex("300c 020101 6307 0400 0a0100 0a01")},
      {App::Kerberos, kClient,
       from_hex("6a18 3016 a103020105 a20302010a a408 3006 a004 0302 0000")},
      {App::Sip, kClient, text("OPTIONS sip:a.example SIP/2.0\r\n")},
      {App::Sip, kServer, text("SIP/2.0 200 OK\r\n")},
      {App::Memcached, kClient, text(std::string_view("\0\1\0\0\0\1\0\0stats\r\n", 15))},
      {App::Syslog, kClient, text("<165>1 2003-10-11T22:14:15Z host app - - - x")},
      {App::Tftp, kClient, text(std::string_view("\0\1boot.img\0octet\0", 17))},
      {App::Tftp, kServer, from_hex("0003 0001 01020304")},
      {App::Tftp, kClient, from_hex("0004 0000")},
  };
}

TEST(Datagrams, AreIdentified) {
  L7Fixture l7;
  std::set<App> seen;
  for (const Datagram& datagram : datagrams()) {
    const L7Answer answer = l7.ask(L7Transport::Udp, datagram.side, datagram.bytes);
    EXPECT_EQ(name_of(answer.app), name_of(datagram.app))
        << testing::PrintToString(std::string(datagram.bytes.begin(), datagram.bytes.end()));
    seen.insert(answer.app);
  }
  EXPECT_EQ(seen.size(), 15u);
}

// Where lengths must agree to the byte, no cut datagram passes for another application.
TEST(Datagrams, ThatAreCutAreNothingElse) {
  L7Fixture l7;
  for (const Datagram& datagram : datagrams()) {
    for (std::size_t size = 0; size < datagram.bytes.size(); ++size) {
      const L7Answer answer =
          l7.ask(L7Transport::Udp, datagram.side, std::span(datagram.bytes).first(size));
      ASSERT_TRUE(answer.app == App::Unknown || answer.app == datagram.app)
          << name_of(datagram.app) << " cut to " << size << " is " << name_of(answer.app);
    }
  }
}

TEST(Datagrams, ThatResembleOthersAreNot) {
  L7Fixture l7;
  const std::vector<std::pair<L7Side, ByteList>> strangers = {
      {kClient, sized("23 00 06 ec", 47)},                                 // NTP of 47 bytes
      {kClient, sized("3b 00 06 ec", 48)},                                 // version 7
      {kClient, sized("23 20 06 ec", 48)},                                 // stratum 32
      {kClient, sized("01000000 1234", 147)},                              // WireGuard is 148
      {kClient, from_hex("0001 0004 01020304 000102030405060708090a0b")},  // classic STUN, cut
      {kClient, from_hex("0001 0003 2112a442 000102030405060708090a0b")},  // length not in fours
      {kClient, from_hex("3014 020101 0406 7075626c6963 a006 020101 020100")},
      {kClient, sized("c0 00000001 08 0102030405060708 00", 600)},  // an Initial is 1200 bytes
      {kClient, sized("c0 12345678 08 0102030405060708 00", 1200)},
      {kClient, from_hex("41004567 ed639296 00000000 00100000 0007 0000")},  // not the first
      {kClient, from_hex("38 0102030405060708 00 00000005")},
      {kClient, from_hex("0004 0000 00")},
      {kClient, from_hex("8008 6fae 000004d8 3796cb71 d5d5d5d5")},  // RTP
      {kClient, text("<192>x")},
      {kClient, text("hello")},
      {kClient, {}},
  };
  for (const auto& [side, bytes] : strangers) {
    EXPECT_EQ(name_of(l7.ask(L7Transport::Udp, side, bytes, false).app), "unknown")
        << testing::PrintToString(std::string(bytes.begin(), bytes.end()));
  }
}

}  // namespace
}  // namespace sluice
