package bitka.kafka;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.security.auth.SslEngineFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * TLS 1.3 with the identity that is in the files at that moment: whoever issues certificates replaces the files, and the next
 * connection uses the new ones. Clients must show one SPIFFE ID of the trust domain, a server that we call the broker's.
 */
public final class SpiffeSslEngineFactory implements SslEngineFactory {
  /** Comma-separated PEM files with our PKCS#8 key and certificate chain. */
  public static final String OWN_FILES = "spiffe.svid.files";
  /** PEM file with the roots to trust. */
  public static final String BUNDLE_FILE = "spiffe.bundle.file";
  /** The SPIFFE ID of every broker and controller. (Kafka hides "spiffe.broker.id": it takes what ends in a key of its own for one.) */
  public static final String BROKER_ID = "spiffe.broker.identity";

  private static final Logger LOG = LoggerFactory.getLogger(SpiffeSslEngineFactory.class);
  private static final String[] PROTOCOLS = {"TLSv1.3"};
  /** Files are read at most this often, however many connections come. */
  private static final long CHECK_NANOS = 100_000_000L;
  /** A resumed session skips the certificate, so it must not outlive it by much. */
  private static final int SESSION_SECONDS = 60;

  private SvidFiles files;
  private Pattern identities;
  private String brokerId;
  private String contents;
  private SSLContext context;
  private long checkedAt;

  @Override
  public void configure(Map<String, ?> configs) {
    identities = SpiffeId.patternOf(configs.get(SpiffeId.TRUST_DOMAIN));
    brokerId = text(configs, BROKER_ID);
    if (!identities.matcher(brokerId).matches()) throw new ConfigException(BROKER_ID, brokerId, "not of the trust domain");
    var own = Arrays.stream(text(configs, OWN_FILES).split(",")).map(name -> Path.of(name.trim())).toList();
    files = new SvidFiles(own, Path.of(text(configs, BUNDLE_FILE)));
    try {
      load();
    } catch (IOException | GeneralSecurityException error) {
      throw new ConfigException("cannot use the certificate files: " + error);
    }
  }

  @Override
  public SSLEngine createServerSslEngine(String peerHost, int peerPort) {
    SSLEngine engine = current().createSSLEngine(peerHost, peerPort);
    engine.setUseClientMode(false);
    engine.setNeedClientAuth(true);
    engine.setEnabledProtocols(PROTOCOLS);
    return engine;
  }

  @Override
  public SSLEngine createClientSslEngine(String peerHost, int peerPort, String endpointIdentification) {
    // Brokers are known by their SPIFFE ID, not by their host name.
    SSLEngine engine = current().createSSLEngine(peerHost, peerPort);
    engine.setUseClientMode(true);
    engine.setEnabledProtocols(PROTOCOLS);
    return engine;
  }

  private synchronized SSLContext current() {
    long now = System.nanoTime();
    if (now - checkedAt < CHECK_NANOS) return context;
    try {
      load();
    } catch (IOException | GeneralSecurityException error) {
      // They may just be replaced. Until the old certificate expires it is as good as it was.
      LOG.warn("cannot use the certificate files yet: {}", error.toString());
    }
    checkedAt = now;
    return context;
  }

  private synchronized void load() throws IOException, GeneralSecurityException {
    String text = files.read();
    if (text.equals(contents)) return;
    KeyStore own = SvidFiles.keyStore(text);
    var keys = KeyManagerFactory.getInstance("PKIX");
    keys.init(own, SvidFiles.password());
    var trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(SvidFiles.trustStore(text));
    var next = SSLContext.getInstance("TLSv1.3");
    TrustManager peers = new Peers((X509ExtendedTrustManager) trust.getTrustManagers()[0]);
    next.init(keys.getKeyManagers(), new TrustManager[] {peers}, null);
    next.getServerSessionContext().setSessionTimeout(SESSION_SECONDS);
    next.getClientSessionContext().setSessionTimeout(SESSION_SECONDS);
    var certificate = (X509Certificate) own.getCertificate("svid");
    LOG.info("certificate {} until {}", SpiffeId.of(certificate, identities), certificate.getNotAfter().toInstant());
    contents = text;
    context = next;
  }

  private static String text(Map<String, ?> configs, String key) {
    if (configs.get(key) instanceof String value && !value.isBlank()) return value;
    throw new ConfigException(key, configs.get(key), "required");
  }

  /** The roots decide whether a certificate is genuine, the SPIFFE ID whose it is. */
  private final class Peers extends X509ExtendedTrustManager {
    private final X509ExtendedTrustManager roots;

    Peers(X509ExtendedTrustManager roots) {
      this.roots = roots;
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) throws CertificateException {
      roots.checkClientTrusted(chain, type, engine);
      SpiffeId.of(chain[0], identities);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) throws CertificateException {
      roots.checkServerTrusted(chain, type, engine);
      String id = SpiffeId.of(chain[0], identities);
      if (!id.equals(brokerId)) throw new CertificateException("not a broker: " + id);
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return roots.getAcceptedIssuers();
    }

    // Kafka uses engines only.
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
      throw new CertificateException("not supported");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
      throw new CertificateException("not supported");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) throws CertificateException {
      throw new CertificateException("not supported");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) throws CertificateException {
      throw new CertificateException("not supported");
    }
  }

  @Override
  public boolean shouldBeRebuilt(Map<String, Object> nextConfigs) {
    return false;
  }

  @Override
  public Set<String> reconfigurableConfigs() {
    return Set.of();
  }

  @Override
  public KeyStore keystore() {
    return null;
  }

  @Override
  public KeyStore truststore() {
    return null;
  }

  @Override
  public void close() {}
}
