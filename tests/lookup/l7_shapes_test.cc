// Openings of TCP connections, byte by byte: what each is identified as, and what resembles it.

#include "lookup/l7_shapes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/lookup/hello_builder.h"
#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

constexpr L7Side kClient = L7Side::Initiator;
constexpr L7Side kServer = L7Side::Responder;

struct Opening {
  App app;
  L7Side side;
  ByteList bytes;
};

ByteList text(std::string_view line) {
  ByteList bytes;
  put(bytes, line);
  return bytes;
}

ByteList hex_then(std::string_view hex, std::string_view line) {
  ByteList bytes = from_hex(hex);
  put(bytes, line);
  return bytes;
}

std::vector<Opening> openings_of_people() {
  ByteList mysql_login = from_hex("54000001 8da20b00 00000001 2d");
  mysql_login.resize(36);
  put(mysql_login, "root");
  return {
      {App::Http, kClient, text("GET / HTTP/1.1\r\n")},
      {App::Http, kClient, text("POST /x HTTP/1.0\n")},
      {App::Http, kClient, text("MKCALENDAR /x HTTP/1.1\r\n")},
      {App::Http, kClient, text("CONNECT a.example:443 HTTP/1.1\r\n")},
      {App::Http, kClient, text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
      {App::Http, kClient, text("GET /" + std::string(600, 'x'))},
      {App::Http, kServer, text("HTTP/1.1 200 OK\r\n")},
      {App::Tls, kClient, HelloBuilder().server_name("a.example").stream()},
      {App::Tls, kServer, from_hex("16030300 7a0200 0076")},
      {App::Tls, kServer, from_hex("15030300 020228")},
      {App::Ssh, kClient, text("SSH-2.0-OpenSSH_9.2p1\r\n")},
      {App::Ssh, kClient, text("SSH-1.99-x\r\n")},
      {App::Ssh, kServer, text("hello\r\nSSH-2.0-x\r\n")},
      {App::Dns, kClient, from_hex("0011 1234 0100 0001 0000 0000 0000 00 0001 0001")},
      {App::Dns, kServer, from_hex("0011 1234 8180 0001 0000 0000 0000 00 0001 0001")},
      {App::Smtp, kServer, text("220 mx.example ESMTP ready\r\n")},
      {App::Smtp, kClient, text("ehlo a.example\r\n")},
      {App::Ftp, kServer, text("220 (vsFTPd 3.0.3)\r\n")},
      {App::Ftp, kClient, text("AUTH TLS\r\n")},
      {App::Pop3, kServer, text("+OK POP server ready\r\n")},
      {App::Pop3, kClient, text("CAPA\r\n")},
      {App::Imap, kServer, text("* OK [CAPABILITY IMAP4rev1] ready\r\n")},
      {App::Imap, kClient, text("a001 LOGIN joe secret\r\n")},
      {App::Mysql, kServer, hex_then("4a000000 0a 382e302e333400", "12345678")},
      {App::Mysql, kServer, hex_then("47000000 ff 6a04", "Host is not allowed")},
      {App::Mysql, kClient, mysql_login},
      {App::Postgresql, kClient, hex_then("00000026 00030000", "user")},
      {App::Postgresql, kClient, from_hex("00000008 04d2162f")},
      {App::Postgresql, kClient, from_hex("00000010 04d2162e 00000001 00000002")},
      {App::Postgresql, kServer, from_hex("52 0000000c 00000005 01020304")},
      {App::Postgresql, kServer, hex_then("45 00000064 53", std::string_view("FATAL\0", 6))},
  };
}

std::vector<Opening> openings_of_services() {
  std::string netbios = "\x81";
  netbios += std::string("\0\0\x44\x20", 4) + std::string(32, 'C') + std::string("\0\x20", 2) +
             std::string(32, 'A') + std::string("\0", 1);
  ByteList smb = from_hex("00000054 fe534d42 4000");
  smb.resize(88);
  return {
      {App::Redis, kClient, text("*1\r\n$4\r\nPING\r\n")},
      {App::Redis, kClient, text("PING\r\n")},
      {App::Redis, kServer, text("-NOAUTH Authentication required.\r\n")},
      {App::Redis, kServer, text("$-1\r\n")},
      {App::Mongodb, kClient, from_hex("3a000000 01000000 00000000 dd070000 00000000")},
      {App::Mongodb, kServer, from_hex("3a000000 01000000 01000000 01000000")},
      {App::Memcached, kClient, text("get some:key\r\n")},
      {App::Memcached, kClient, text("set k 0 60 5\r\nvalue\r\n")},
      {App::Memcached, kClient, text("version\r\n")},
      {App::Memcached, kClient, from_hex("80 0a 0000 00 00 0000 00000000 00000000")},
      {App::Memcached, kServer, text("VALUE k 0 5\r\n")},
      {App::Rdp, kClient, hex_then("0300002b 26 e0 0000 0000 00", "Cookie: mstshash=user\r\n")},
      {App::Rdp, kClient, from_hex("03000013 0e e0 0000 0000 00 01 00 0800 03000000")},
      {App::Rdp, kServer, from_hex("03000013 0e d0 0000 1234 00 02 00 0800 02000000")},
      {App::Smb, kClient, smb},
      {App::Smb, kClient, text(netbios)},
      {App::Ldap, kClient, from_hex("300c 020101 6007 020103 0400 8000")},
      {App::Ldap, kClient, from_hex("3084000000 0c 020101 6007 020103 0400 8000")},
      {App::Ldap, kServer, from_hex("300c 020101 6107 0a0100 0400 0400")},
      {App::Kerberos, kClient, from_hex("000000eb 6a81e8 3081e5 a103020105 a20302010a a315 3013")},
      {App::Kerberos, kServer, from_hex("00000070 7e6e 306c a003020105 a10302011e a411")},
      {App::Sip, kClient, text("REGISTER sip:a.example SIP/2.0\r\n")},
      {App::Sip, kServer, text("SIP/2.0 100 Trying\r\n")},
      {App::Rtsp, kClient, text("OPTIONS rtsp://a.example/x RTSP/1.0\r\n")},
      {App::Rtsp, kServer, text("RTSP/1.0 200 OK\r\n")},
      {App::Mqtt, kClient, from_hex("10 10 0004 4d515454 04 02 003c 0004 61626364")},
      {App::Mqtt, kClient, from_hex("10 14 0006 4d5149736470 03 02 003c 0004 61626364")},
      {App::Mqtt, kServer, from_hex("20 02 00 00")},
      {App::Amqp, kClient, from_hex("414d5150 00000901")},
      {App::Amqp, kClient, from_hex("414d5150 03010000")},
      {App::Amqp, kServer, from_hex("01 0000 000001f8 000a 000a")},
      {App::Kafka, kClient, hex_then("00000014 0012 0003 00000001 0008", "consumer")},
      {App::Bittorrent, kClient,
       text("\x13"
            "BitTorrent protocol")},
      {App::Openvpn, kClient, from_hex("000e 38 0102030405060708 00 00000000")},
      {App::Openvpn, kServer,
       from_hex("001a 40 0102030405060708 01 00000000 0102030405060708 00000000")},
      {App::Stun, kClient,
       from_hex("0003 0008 2112a442 000102030405060708090a0b 00190004 11000000")},
      {App::Stun, kClient, from_hex("0014 0001 0000 2112a442 000102030405060708090a0b")},
      {App::Syslog, kClient, text("<34>1 2003-10-11T22:14:15Z host app - - - x\n")},
      {App::Syslog, kClient, text("<13>Oct 11 22:14:15 host su: x\n")},
      {App::Telnet, kServer, from_hex("fffd18 fffd20")},
      {App::Telnet, kClient, from_hex("fffb1f")},
      {App::Vnc, kServer, text("RFB 003.008\n")},
      {App::Git, kClient, text("0032git-upload-pack /project.git")},
      {App::Git, kServer, text("00a0" + std::string(40, 'a') + " HEAD")},
  };
}

std::vector<Opening> openings() {
  std::vector<Opening> all = openings_of_people();
  for (const Opening& opening : openings_of_services()) all.push_back(opening);
  return all;
}

TEST(TcpOpenings, AreIdentified) {
  L7Fixture l7;
  std::set<App> seen;
  for (const Opening& opening : openings()) {
    const L7Answer answer = l7.ask(L7Transport::Tcp, opening.side, opening.bytes);
    EXPECT_EQ(name_of(answer.app), name_of(opening.app))
        << testing::PrintToString(std::string(opening.bytes.begin(), opening.bytes.end()));
    EXPECT_TRUE(answer.is_final);
    seen.insert(answer.app);
  }
  EXPECT_EQ(seen.size(), 29u);
}

// A trickle of one byte a segment: the answer comes once, and no further byte changes it.
TEST(TcpOpenings, AreIdentifiedOnceAndForAllWhateverTheSegments) {
  L7Fixture l7;
  for (const Opening& opening : openings()) {
    ByteList longer = opening.bytes;
    put(longer, "and more of it\r\n");
    App known = App::Unknown;
    for (std::size_t size = 0; size <= longer.size(); ++size) {
      const L7Answer answer = l7.ask(L7Transport::Tcp, opening.side, std::span(longer).first(size));
      if (known != App::Unknown) {
        ASSERT_EQ(name_of(answer.app), name_of(known)) << size;
      }
      known = answer.app;
    }
    EXPECT_EQ(name_of(known), name_of(opening.app));
  }
}

TEST(TcpOpenings, ThatResembleOthersAreNot) {
  L7Fixture l7;
  const std::vector<std::pair<L7Side, ByteList>> strangers = {
      {kClient, text("GET / HTTQ/1.1\r\n")},
      {kClient, text("Get / HTTP/1.1\r\n")},
      {kClient, text("SSH-3.0-x\r\n")},
      {kClient, text("SSH protocol\r\n")},
      {kClient, from_hex("160301 0005 01 000001 00")},    // a hello too short for its random
      {kClient, from_hex("160301 4200 01 000100 0303")},  // a record too long
      {kClient, from_hex("160401 0100 01 0000fc 0303")},  // no such version
      {kClient, from_hex("0011 1234 0140 0001 0000 0000 0000 00 0001 0001")},  // reserved bit
      {kClient, from_hex("03000012 0e e0 0000 0000 00 01 00 0800 03000000")},  // lengths differ
      {kClient, from_hex("03000016 11 e0 0000 0001 00 c1020100 c2020102 c0010a")},  // S7, not RDP
      {kClient, from_hex("00000010 fe534d42 4000 0000 0000")},   // shorter than a header
      {kClient, from_hex("300c 020101 6017 020103 0400 8000")},  // does not fit
      {kClient, from_hex("000000e0 6a81e8 3081e5 a103020105 a20302010a a315")},
      {kClient, from_hex("10 02 0004 4d515454 04 02 003c")},  // shorter than its header
      {kClient, hex_then("00000004 0012 0003 00000001 0008", "consumer")},
      {kClient, from_hex("000e 38 0102030405060708 00 00000007")},
      {kClient, from_hex("0003 0007 2112a442 000102030405060708090a0b")},
      {kClient, from_hex("4553 000002ef 0000000000000ca6")},
      {kClient, from_hex("050100")},
      {kServer, text("HTTP/1.1 abc\r\n")},
      {kServer, text("230 logged in\r\n")},
      {kServer, from_hex("ff ff ff ff")},
  };
  for (const auto& [side, bytes] : strangers) {
    const L7Answer answer = l7.ask(L7Transport::Tcp, side, bytes, false);
    EXPECT_EQ(name_of(answer.app), "unknown")
        << testing::PrintToString(std::string(bytes.begin(), bytes.end()));
    EXPECT_TRUE(answer.is_final);
  }
}

}  // namespace
}  // namespace sluice
