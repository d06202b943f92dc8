"""Settings. What differs between machines comes from the environment; every variable is described in the README.

Nothing has to be given: without any variable the product runs on this machine alone, with an embedded database.
"""

import os
from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from betsizing.secret import read_or_create

CHECKOUT = Path(__file__).resolve().parent.parent

env = environ.Env()

# ---- Where things are kept ----

DATA = Path(env("BETSIZING_DATA", default=str(CHECKOUT / ".data"))).expanduser().absolute()


def data_folder(*names: str) -> Path:
    """A folder of ours that only its owner can read."""
    folder = DATA
    try:
        DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            folder /= name
            folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder cannot be written: {folder}: {error.strerror}. Choose another with BETSIZING_DATA."
        ) from error
    return folder


# ---- Who may ask ----

DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECRET_KEY = env("SECRET_KEY", default="") or read_or_create(data_folder() / "secret_key")

# Addresses of proxies that may say where a request came from and by which protocol; nobody else may.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])

# Browsers keep a Secure cookie from plain http, and on this machine itself there is no https.
LOOPBACK_ONLY = set(ALLOWED_HOSTS) <= {"127.0.0.1", "localhost", "[::1]"}
COOKIE_SECURE = env.bool("COOKIE_SECURE", default=not (DEBUG or LOOPBACK_ONLY))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = COOKIE_SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

MAX_REQUEST_BYTES = 10_000_000  # the largest honest upload is a year of minute quotes as CSV, about 6 MB
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses before a password is looked at
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# A guesser is stopped after ten tries; the person is not, because another address is another count.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS: list[str] = []  # so the log of failed sign-ins names account and address

# ---- What it is made of ----

INSTALLED_APPS = [
    "betsizing",
    "accounts",
    "positions",
    "riskengine",
    "unfold",  # before the admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "betsizing.middleware.relax_content_policy",
    "betsizing.middleware.limit_request_size",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it turns a lock-out into its page
]

ROOT_URLCONF = "betsizing.urls"
WSGI_APPLICATION = "betsizing.wsgi.application"
ASGI_APPLICATION = "betsizing.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [CHECKOUT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# ---- Database and queue ----

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if env("DATABASE_URL", default=""):
    DATABASES = {"default": env.db("DATABASE_URL")}
else:
    DATABASES = {
        "default": {
            "ENGINE": "betsizing.embedded.backend",
            "NAME": "betsizing",
            "HOME": str(DATA / "postgres"),
        }
    }
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}

if env("CELERY_BROKER_URL", default=""):
    CELERY_BROKER_URL = env("CELERY_BROKER_URL")
else:
    CELERY_BROKER_URL = "folder://localhost"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "folder": str(data_folder("broker", "messages")),
        "polling_interval": 0.1,  # a tick of the one-second clock waits at most this long
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True  # results are rows
CELERY_TASK_DEFAULT_QUEUE = "work"
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_POOL = "solo"  # one process a queue: prefork's hangs for good when its pool is killed (decisions/0015)
CELERY_WORKER_CONCURRENCY = 1
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a task waits in the queue, where another worker can take it
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # in memory: the schedule is the code below
# Seconds, never crontab: it would skip a run over a clock change. A tick that its successor has overtaken is dropped.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    "exit check": {"task": "riskengine.tasks.exit_check", "schedule": 1.0, "options": {"expires": 0.9}},
    "orders": {"task": "riskengine.tasks.orders", "schedule": 1.0, "options": {"expires": 0.9}},
    "risk check": {"task": "riskengine.tasks.risk_check", "schedule": 30.0, "options": {"expires": 25.0}},
    "feed": {"task": "riskengine.tasks.feed", "schedule": 1.0, "options": {"expires": 0.9}},
    "signals": {"task": "riskengine.tasks.signals", "schedule": 2.0, "options": {"expires": 1.8}},
    "alerts": {"task": "riskengine.tasks.alerts", "schedule": 2.0, "options": {"expires": 1.8}},
    "nights": {"task": "riskengine.tasks.nights", "schedule": 30.0, "options": {"expires": 25.0}},
    "base rates": {"task": "riskengine.tasks.base_rates", "schedule": 10.0, "options": {"expires": 8.0}},
    "rollout": {"task": "riskengine.tasks.rollout", "schedule": 30.0, "options": {"expires": 25.0}},
    "marks": {"task": "riskengine.tasks.marks", "schedule": 30.0, "options": {"expires": 25.0}},
    "reviews": {"task": "riskengine.tasks.reviews", "schedule": 60.0, "options": {"expires": 55.0}},
    "correlations": {"task": "riskengine.tasks.correlations", "schedule": 300.0, "options": {"expires": 250.0}},
    "replays": {"task": "riskengine.tasks.replays", "schedule": 2.0, "options": {"expires": 1.8}},
    "providers": {"task": "riskengine.tasks.providers", "schedule": 5.0, "options": {"expires": 4.5}},
}

# ---- Providers of market data ----

# Lets providers lead into the network this program runs in, by plain http too: an own gateway (betsizing.W002).
PROVIDERS_ALLOW_PRIVATE_ADDRESSES = env.bool("PROVIDERS_ALLOW_PRIVATE_ADDRESSES", default=False)

# ---- Alerts ----

# smtp://, smtp+tls:// or smtp+ssl://user:password@host:port. Without it no alert can be sent by e-mail.
EMAIL_HOST = ""
if env("EMAIL_URL", default=""):
    vars().update(env.email_url("EMAIL_URL"))
EMAIL_TIMEOUT = 5  # seconds
ALERTS_FROM = env("ALERTS_FROM", default="betsizing@localhost")
ALERTS_ALLOW_PRIVATE_TARGETS = env.bool("ALERTS_ALLOW_PRIVATE_TARGETS", default=False)  # for tests (betsizing.E007)

# ---- API ----

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",  # first: its challenge makes an unknown caller's answer a 401
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.authentication.TokenScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "betsizing.schema.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "600/minute"},
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
}
ERROR_STATUSES = ("400", "401", "403", "404", "405", "406", "415", "422", "429", "500")
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "betsizing.errors.ErrorHandler",
    "EXCEPTION_FORMATTER_CLASS": "betsizing.errors.ErrorFormatter",
    "ERROR_SCHEMAS": dict.fromkeys(ERROR_STATUSES, "betsizing.errors.ErrorsSerializer"),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "betsizing",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "ModeEnum": "positions.models.portfolio.Mode",
        "SystemEnum": "accounts.models.System",
        "PositionStatusEnum": "positions.models.PositionStatus",
        "SignalStateEnum": "riskengine.models.SignalState",
        "ReplayStateEnum": "riskengine.models.ReplayState",
        "EntryPaceEnum": "riskengine.api.entries.PACES",
        "ReviewKindEnum": "riskengine.models.ReviewKind",
        "ReviewStateEnum": "riskengine.models.ReviewState",
    },
}

UNFOLD = {
    "SITE_TITLE": "betsizing",
    "SITE_HEADER": "betsizing",
    "SITE_SUBHEADER": "Risk parameters and records",
    "SITE_URL": "/",
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
}

# ---- Language, time, static files ----

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"  # what is stored; pages show New York

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # straight from the source folders: a fresh clone needs no collectstatic

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_LEVEL = env("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in LOG_LEVELS:
    raise ImproperlyConfigured(f"LOG_LEVEL is {LOG_LEVEL}, and must be one of {', '.join(LOG_LEVELS)}.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "axes": {"level": "WARNING"},  # four lines for each sign-in otherwise
        "apprise": {"level": "CRITICAL"},  # it writes addresses that it cannot read, secrets and all
    },
}
