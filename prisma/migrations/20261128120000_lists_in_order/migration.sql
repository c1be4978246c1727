-- When each row last changed. The database maintains it, so that every statement does. Rows from before this migration
-- count as changed by it. The defaults are constants here, so no table is rewritten.
ALTER TABLE "school_year" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "class" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "subject" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "role_grant"
    ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN "user_updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "assignment" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "enrolment" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "invitation" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "chat" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE "chat_member" ADD COLUMN "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

UPDATE "role_grant" SET "user_updated_at" = "app_user"."updated_at" FROM "app_user" WHERE "app_user"."id" = "role_grant"."user_id";

-- Later than the former value, even within one millisecond or on a clock that was set back: a client that compares the
-- two sees each change.
CREATE FUNCTION "set_updated_at"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW."updated_at" := greatest(clock_timestamp(), OLD."updated_at" + interval '1 millisecond');
    RETURN NEW;
END
$$;
CREATE TRIGGER "school_updated_at" BEFORE UPDATE ON "school" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "school_year_updated_at" BEFORE UPDATE ON "school_year" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "class_updated_at" BEFORE UPDATE ON "class" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "subject_updated_at" BEFORE UPDATE ON "subject" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "app_user_updated_at" BEFORE UPDATE ON "app_user" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
-- Copies from the person are no change of the role.
CREATE TRIGGER "role_grant_updated_at" BEFORE UPDATE ON "role_grant" FOR EACH ROW
    WHEN ((OLD."role", OLD."started_at", OLD."ended_at", OLD."ended_by_id") IS DISTINCT FROM (NEW."role", NEW."started_at", NEW."ended_at", NEW."ended_by_id"))
    EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "assignment_updated_at" BEFORE UPDATE ON "assignment" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "enrolment_updated_at" BEFORE UPDATE ON "enrolment" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "invitation_updated_at" BEFORE UPDATE ON "invitation" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "chat_updated_at" BEFORE UPDATE ON "chat" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();
CREATE TRIGGER "chat_member_updated_at" BEFORE UPDATE ON "chat_member" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "set_updated_at"();

-- The people of a school in the order of their last change: like "sort_key", the key is the person's, copied to each role.
-- A role that starts or ends changes its person. The row of the person is locked for an update from the start, since two
-- transactions with a shared lock would deadlock when both update it.
CREATE OR REPLACE FUNCTION "role_grant_takes_sort_key"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT "sort_key", "updated_at" INTO NEW."sort_key", NEW."user_updated_at" FROM "app_user" WHERE "id" = NEW."user_id" FOR NO KEY UPDATE;
    NEW."sort_key" := coalesce(NEW."sort_key", '');
    NEW."user_updated_at" := coalesce(NEW."user_updated_at", CURRENT_TIMESTAMP);
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION "role_grant_follows_sort_key"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE "role_grant" SET "sort_key" = NEW."sort_key", "user_updated_at" = NEW."updated_at" WHERE "user_id" = NEW."id";
    RETURN NULL;
END
$$;
DROP TRIGGER "role_grant_follows_sort_key" ON "app_user";
-- Not OF columns: "updated_at" is set by a trigger, not by the statement.
CREATE TRIGGER "role_grant_follows_person" AFTER UPDATE ON "app_user" FOR EACH ROW
    WHEN (OLD."updated_at" IS DISTINCT FROM NEW."updated_at") EXECUTE FUNCTION "role_grant_follows_sort_key"();

CREATE FUNCTION "app_user_follows_roles"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE "app_user" SET "updated_at" = clock_timestamp() WHERE "id" = NEW."user_id";
    RETURN NULL;
END
$$;
CREATE TRIGGER "app_user_follows_roles" AFTER INSERT OR UPDATE OF "role", "ended_at" ON "role_grant" FOR EACH ROW
    EXECUTE FUNCTION "app_user_follows_roles"();

-- CreateIndex
CREATE INDEX "role_grant_school_id_sort_key_user_id_idx" ON "role_grant"("school_id", "sort_key", "user_id");

-- CreateIndex
CREATE INDEX "role_grant_school_id_user_updated_at_user_id_idx" ON "role_grant"("school_id", "user_updated_at", "user_id");

-- CreateIndex
CREATE INDEX "enrolment_school_id_started_at_id_idx" ON "enrolment"("school_id", "started_at", "id");

-- CreateIndex
CREATE INDEX "enrolment_school_id_updated_at_id_idx" ON "enrolment"("school_id", "updated_at", "id");

-- CreateIndex
CREATE INDEX "invitation_school_id_expires_at_id_idx" ON "invitation"("school_id", "expires_at", "id");

-- The same orders for the lists of present people and pupils, which ended rows outnumber after some years.
CREATE INDEX "role_grant_people_changed_idx" ON "role_grant"("school_id", "user_updated_at", "user_id") WHERE "ended_at" IS NULL;
CREATE INDEX "role_grant_people_of_role_idx" ON "role_grant"("school_id", "role", "sort_key", "user_id") WHERE "ended_at" IS NULL;
CREATE INDEX "enrolment_school_active_idx" ON "enrolment"("school_id", "started_at", "id") WHERE "ended_at" IS NULL;
