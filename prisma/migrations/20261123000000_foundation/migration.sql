-- CreateEnum
CREATE TYPE "role" AS ENUM ('PLATFORM_ADMINISTRATOR', 'SCHOOL_ADMINISTRATION', 'TEACHER', 'STUDENT');

-- CreateEnum
CREATE TYPE "chat_kind" AS ENUM ('SCHOOL', 'STAFF', 'CLASS', 'SUBJECT', 'EXTRACURRICULAR');

-- CreateEnum
CREATE TYPE "chat_role" AS ENUM ('OWNER', 'MODERATOR', 'MEMBER');

-- CreateEnum
CREATE TYPE "membership_reason" AS ENUM ('RULE', 'PERSON');

-- CreateEnum
CREATE TYPE "assignment_kind" AS ENUM ('CLASS_TEACHER', 'SUBJECT_TEACHER');

-- CreateTable
CREATE TABLE "school" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "full_name" TEXT NOT NULL,
    "address" TEXT,
    "district" TEXT,
    "region" TEXT,
    "time_zone" TEXT NOT NULL DEFAULT 'Europe/Moscow',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "school_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "external_id" (
    "school_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "value" TEXT NOT NULL,

    CONSTRAINT "external_id_pkey" PRIMARY KEY ("school_id","system")
);

-- CreateTable
CREATE TABLE "school_year" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "starts_on" DATE NOT NULL,
    "ends_on" DATE NOT NULL,

    CONSTRAINT "school_year_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "class" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "school_year_id" UUID NOT NULL,
    "grade" SMALLINT NOT NULL,
    "letter" TEXT NOT NULL,
    "sort_key" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "class_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "subject" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "sort_key" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "subject_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "app_user" (
    "id" UUID NOT NULL,
    "surname" TEXT NOT NULL,
    "given_name" TEXT NOT NULL,
    "patronymic" TEXT,
    "sign_in_name" TEXT,
    "password_hash" TEXT,
    "email" TEXT,
    "phone" TEXT,
    "search_text" TEXT NOT NULL,
    "sort_key" TEXT COLLATE "C" NOT NULL,
    "locale" TEXT NOT NULL DEFAULT 'ru',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "deactivated_at" TIMESTAMPTZ(3),

    CONSTRAINT "app_user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user_identity" (
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" UUID NOT NULL,

    CONSTRAINT "user_identity_pkey" PRIMARY KEY ("issuer","subject")
);

-- CreateTable
CREATE TABLE "role_grant" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" "role" NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),
    "granted_by_id" UUID,
    "ended_by_id" UUID,

    CONSTRAINT "role_grant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "assignment" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "class_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "kind" "assignment_kind" NOT NULL,
    "subject_id" UUID,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "assignment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "enrolment" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "class_id" UUID NOT NULL,
    "student_id" UUID NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "enrolment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "invitation" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "role" "role" NOT NULL,
    "class_id" UUID,
    "label" TEXT,
    "nonce" BYTEA NOT NULL,
    "code_hash" BYTEA NOT NULL,
    "max_uses" INTEGER NOT NULL,
    "use_count" INTEGER NOT NULL DEFAULT 0,
    "holder_id" UUID,
    "created_by_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "rotated_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "invitation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "invitation_hand_over" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "invitation_id" UUID NOT NULL,
    "from_id" UUID,
    "to_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "invitation_hand_over_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "invitation_use" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "invitation_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "invitation_use_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "chat" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "kind" "chat_kind" NOT NULL,
    "class_id" UUID,
    "subject_id" UUID,
    "name" TEXT NOT NULL,
    "created_by_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "chat_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "chat_member" (
    "id" UUID NOT NULL,
    "school_id" UUID NOT NULL,
    "chat_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" "chat_role" NOT NULL DEFAULT 'MEMBER',
    "reason" "membership_reason" NOT NULL,
    "added_by_id" UUID,
    "joined_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "chat_member_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "session" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "client_id" TEXT NOT NULL,
    "grant_id" TEXT,
    "device" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oauth_client" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "school_id" UUID,
    "secret_hash" BYTEA,
    "scopes" TEXT[],
    "redirect_uris" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "oauth_client_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "oidc_payload" (
    "model" TEXT NOT NULL,
    "id_hash" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "grant_id" TEXT,
    "uid_hash" TEXT,
    "consumed_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "oidc_payload_pkey" PRIMARY KEY ("model","id_hash")
);

-- CreateTable
CREATE TABLE "signing_key" (
    "id" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "signing_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "rate_limit" (
    "key" TEXT NOT NULL,
    "count" INTEGER NOT NULL,
    "resets_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "rate_limit_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "idempotency_key" (
    "actor_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "input_hash" BYTEA NOT NULL,
    "result_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_key_pkey" PRIMARY KEY ("actor_id","key")
);

-- CreateTable
CREATE TABLE "event" (
    "school_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "type" TEXT NOT NULL,
    "topics" TEXT[],
    "payload" JSONB NOT NULL,
    "actor" TEXT NOT NULL,
    "causation" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "event_pkey" PRIMARY KEY ("school_id","seq")
);

-- CreateTable
CREATE TABLE "event_head" (
    "school_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL DEFAULT 0,
    "oldest" BIGINT NOT NULL DEFAULT 1,

    CONSTRAINT "event_head_pkey" PRIMARY KEY ("school_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "external_id_system_value_key" ON "external_id"("system", "value");

-- CreateIndex
CREATE UNIQUE INDEX "school_year_school_id_starts_on_key" ON "school_year"("school_id", "starts_on");

-- CreateIndex
CREATE UNIQUE INDEX "school_year_id_school_id_key" ON "school_year"("id", "school_id");

-- CreateIndex
CREATE INDEX "class_school_id_sort_key_id_idx" ON "class"("school_id", "sort_key", "id");

-- CreateIndex
CREATE UNIQUE INDEX "class_school_year_id_grade_letter_key" ON "class"("school_year_id", "grade", "letter");

-- CreateIndex
CREATE UNIQUE INDEX "class_id_school_id_key" ON "class"("id", "school_id");

-- CreateIndex
CREATE UNIQUE INDEX "subject_school_id_sort_key_key" ON "subject"("school_id", "sort_key");

-- CreateIndex
CREATE UNIQUE INDEX "subject_id_school_id_key" ON "subject"("id", "school_id");

-- CreateIndex
CREATE UNIQUE INDEX "app_user_sign_in_name_key" ON "app_user"("sign_in_name");

-- CreateIndex
CREATE INDEX "app_user_sort_key_id_idx" ON "app_user"("sort_key", "id");

-- CreateIndex
CREATE INDEX "user_identity_user_id_idx" ON "user_identity"("user_id");

-- CreateIndex
CREATE INDEX "role_grant_school_id_role_user_id_idx" ON "role_grant"("school_id", "role", "user_id");

-- CreateIndex
CREATE INDEX "role_grant_user_id_idx" ON "role_grant"("user_id");

-- CreateIndex
CREATE INDEX "assignment_class_id_idx" ON "assignment"("class_id");

-- CreateIndex
CREATE INDEX "assignment_user_id_idx" ON "assignment"("user_id");

-- CreateIndex
CREATE INDEX "enrolment_class_id_student_id_idx" ON "enrolment"("class_id", "student_id");

-- CreateIndex
CREATE INDEX "enrolment_school_id_id_idx" ON "enrolment"("school_id", "id");

-- CreateIndex
CREATE INDEX "enrolment_student_id_idx" ON "enrolment"("student_id");

-- CreateIndex
CREATE UNIQUE INDEX "invitation_code_hash_key" ON "invitation"("code_hash");

-- CreateIndex
CREATE INDEX "invitation_school_id_id_idx" ON "invitation"("school_id", "id");

-- CreateIndex
CREATE INDEX "invitation_class_id_idx" ON "invitation"("class_id");

-- CreateIndex
CREATE INDEX "invitation_holder_id_idx" ON "invitation"("holder_id");

-- CreateIndex
CREATE INDEX "invitation_hand_over_invitation_id_id_idx" ON "invitation_hand_over"("invitation_id", "id");

-- CreateIndex
CREATE INDEX "invitation_use_user_id_idx" ON "invitation_use"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "invitation_use_invitation_id_user_id_key" ON "invitation_use"("invitation_id", "user_id");

-- CreateIndex
CREATE INDEX "chat_school_id_id_idx" ON "chat"("school_id", "id");

-- CreateIndex
CREATE INDEX "chat_class_id_idx" ON "chat"("class_id");

-- CreateIndex
CREATE UNIQUE INDEX "chat_id_school_id_key" ON "chat"("id", "school_id");

-- CreateIndex
CREATE INDEX "chat_member_chat_id_id_idx" ON "chat_member"("chat_id", "id");

-- CreateIndex
CREATE INDEX "chat_member_user_id_idx" ON "chat_member"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "chat_member_chat_id_user_id_key" ON "chat_member"("chat_id", "user_id");

-- CreateIndex
CREATE UNIQUE INDEX "session_grant_id_key" ON "session"("grant_id");

-- CreateIndex
CREATE INDEX "session_user_id_id_idx" ON "session"("user_id", "id");

-- CreateIndex
CREATE INDEX "oauth_client_school_id_idx" ON "oauth_client"("school_id");

-- CreateIndex
CREATE INDEX "oidc_payload_grant_id_idx" ON "oidc_payload"("grant_id");

-- CreateIndex
CREATE INDEX "oidc_payload_uid_hash_idx" ON "oidc_payload"("uid_hash");

-- CreateIndex
CREATE INDEX "oidc_payload_expires_at_idx" ON "oidc_payload"("expires_at");

-- CreateIndex
CREATE INDEX "rate_limit_resets_at_idx" ON "rate_limit"("resets_at");

-- CreateIndex
CREATE INDEX "idempotency_key_at_idx" ON "idempotency_key"("at");

-- AddForeignKey
ALTER TABLE "external_id" ADD CONSTRAINT "external_id_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "school_year" ADD CONSTRAINT "school_year_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "class" ADD CONSTRAINT "class_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "class" ADD CONSTRAINT "class_school_year_id_school_id_fkey" FOREIGN KEY ("school_year_id", "school_id") REFERENCES "school_year"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "subject" ADD CONSTRAINT "subject_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_identity" ADD CONSTRAINT "user_identity_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_grant" ADD CONSTRAINT "role_grant_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_grant" ADD CONSTRAINT "role_grant_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_class_id_school_id_fkey" FOREIGN KEY ("class_id", "school_id") REFERENCES "class"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_subject_id_school_id_fkey" FOREIGN KEY ("subject_id", "school_id") REFERENCES "subject"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "enrolment" ADD CONSTRAINT "enrolment_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "enrolment" ADD CONSTRAINT "enrolment_class_id_school_id_fkey" FOREIGN KEY ("class_id", "school_id") REFERENCES "class"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "enrolment" ADD CONSTRAINT "enrolment_student_id_fkey" FOREIGN KEY ("student_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_class_id_school_id_fkey" FOREIGN KEY ("class_id", "school_id") REFERENCES "class"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_holder_id_fkey" FOREIGN KEY ("holder_id") REFERENCES "app_user"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitation_hand_over" ADD CONSTRAINT "invitation_hand_over_invitation_id_fkey" FOREIGN KEY ("invitation_id") REFERENCES "invitation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitation_use" ADD CONSTRAINT "invitation_use_invitation_id_fkey" FOREIGN KEY ("invitation_id") REFERENCES "invitation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitation_use" ADD CONSTRAINT "invitation_use_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat" ADD CONSTRAINT "chat_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat" ADD CONSTRAINT "chat_class_id_school_id_fkey" FOREIGN KEY ("class_id", "school_id") REFERENCES "class"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat" ADD CONSTRAINT "chat_subject_id_school_id_fkey" FOREIGN KEY ("subject_id", "school_id") REFERENCES "subject"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat_member" ADD CONSTRAINT "chat_member_chat_id_school_id_fkey" FOREIGN KEY ("chat_id", "school_id") REFERENCES "chat"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat_member" ADD CONSTRAINT "chat_member_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "session" ADD CONSTRAINT "session_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "oauth_client" ADD CONSTRAINT "oauth_client_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "event_head" ADD CONSTRAINT "event_head_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma cannot say stands below. Columns `sort_key` above are COLLATE "C", so that no list depends on a locale.

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Periods end no earlier than they start.
ALTER TABLE "role_grant" ADD CONSTRAINT "role_grant_period_check" CHECK ("ended_at" >= "started_at");
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_period_check" CHECK ("ended_at" >= "started_at");
ALTER TABLE "enrolment" ADD CONSTRAINT "enrolment_period_check" CHECK ("ended_at" >= "started_at");
ALTER TABLE "school_year" ADD CONSTRAINT "school_year_period_check" CHECK ("starts_on" < "ends_on");

-- A pupil is in one class at a time, on the whole platform, now and at any moment of the past.
CREATE UNIQUE INDEX "enrolment_student_active_key" ON "enrolment"("student_id") WHERE "ended_at" IS NULL;
ALTER TABLE "enrolment" ADD CONSTRAINT "enrolment_student_period_excl"
    EXCLUDE USING gist ("student_id" WITH =, tstzrange("started_at", "ended_at", '[)') WITH &&);

-- A class has one class teacher at a time; a teacher has a subject in a class once at a time; a role is held once at a time.
CREATE UNIQUE INDEX "assignment_class_teacher_active_key" ON "assignment"("class_id")
    WHERE "kind" = 'CLASS_TEACHER' AND "ended_at" IS NULL;
CREATE UNIQUE INDEX "assignment_subject_teacher_active_key" ON "assignment"("class_id", "subject_id", "user_id")
    WHERE "kind" = 'SUBJECT_TEACHER' AND "ended_at" IS NULL;
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_subject_check"
    CHECK (("kind" = 'SUBJECT_TEACHER') = ("subject_id" IS NOT NULL));
CREATE UNIQUE INDEX "role_grant_active_key" ON "role_grant"("school_id", "user_id", "role") WHERE "ended_at" IS NULL;

ALTER TABLE "class" ADD CONSTRAINT "class_grade_check" CHECK ("grade" BETWEEN 1 AND 11);
ALTER TABLE "class" ADD CONSTRAINT "class_letter_check" CHECK (char_length("letter") BETWEEN 1 AND 15);

ALTER TABLE "invitation" ADD CONSTRAINT "invitation_max_uses_check" CHECK ("max_uses" >= 1);
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_use_count_check" CHECK ("use_count" BETWEEN 0 AND "max_uses");
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_class_check" CHECK (("role" = 'STUDENT') = ("class_id" IS NOT NULL));

ALTER TABLE "chat" ADD CONSTRAINT "chat_place_check" CHECK (
    ("kind" IN ('CLASS', 'SUBJECT')) = ("class_id" IS NOT NULL) AND ("kind" = 'SUBJECT') = ("subject_id" IS NOT NULL)
);

-- The log is not rewritten. Old rows may be deleted, when their time is over.
ALTER TABLE "event" ADD CONSTRAINT "event_seq_check" CHECK ("seq" > 0);
CREATE FUNCTION "event_is_immutable"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is immutable';
END
$$;
CREATE TRIGGER "event_is_immutable" BEFORE UPDATE ON "event" FOR EACH STATEMENT EXECUTE FUNCTION "event_is_immutable"();

-- Who holds what now: asked by every request.
CREATE INDEX "role_grant_user_active_idx" ON "role_grant"("user_id") WHERE "ended_at" IS NULL;
CREATE INDEX "assignment_user_active_idx" ON "assignment"("user_id") WHERE "ended_at" IS NULL;
CREATE INDEX "enrolment_class_active_idx" ON "enrolment"("class_id", "student_id") WHERE "ended_at" IS NULL;

-- Search: LIKE '%word%'.
CREATE INDEX "app_user_search_text_idx" ON "app_user" USING gin ("search_text" gin_trgm_ops);
