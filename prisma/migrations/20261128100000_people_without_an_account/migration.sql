-- A person may exist before they can sign in. Everyone who exists already joined by a form or by the operator.
ALTER TABLE "app_user" ADD COLUMN "joined_at" TIMESTAMPTZ(3);
ALTER TABLE "app_user" ADD COLUMN "hand_set" TEXT[] DEFAULT ARRAY[]::TEXT[];
UPDATE "app_user" SET "joined_at" = "created_at";

-- CreateTable
CREATE TABLE "user_external_id" (
    "school_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "value" TEXT NOT NULL,

    CONSTRAINT "user_external_id_pkey" PRIMARY KEY ("school_id","user_id","system")
);

-- CreateTable
CREATE TABLE "class_external_id" (
    "school_id" UUID NOT NULL,
    "class_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "value" TEXT NOT NULL,

    CONSTRAINT "class_external_id_pkey" PRIMARY KEY ("class_id","system")
);

-- CreateTable
CREATE TABLE "subject_external_id" (
    "school_id" UUID NOT NULL,
    "subject_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "value" TEXT NOT NULL,

    CONSTRAINT "subject_external_id_pkey" PRIMARY KEY ("subject_id","system")
);

-- CreateIndex
CREATE UNIQUE INDEX "user_external_id_school_id_system_value_key" ON "user_external_id"("school_id", "system", "value");

-- CreateIndex
CREATE INDEX "user_external_id_user_id_idx" ON "user_external_id"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "class_external_id_school_id_system_value_key" ON "class_external_id"("school_id", "system", "value");

-- CreateIndex
CREATE UNIQUE INDEX "subject_external_id_school_id_system_value_key" ON "subject_external_id"("school_id", "system", "value");

-- AddForeignKey
ALTER TABLE "user_external_id" ADD CONSTRAINT "user_external_id_school_id_fkey" FOREIGN KEY ("school_id") REFERENCES "school"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_external_id" ADD CONSTRAINT "user_external_id_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "class_external_id" ADD CONSTRAINT "class_external_id_class_id_school_id_fkey" FOREIGN KEY ("class_id", "school_id") REFERENCES "class"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "subject_external_id" ADD CONSTRAINT "subject_external_id_subject_id_school_id_fkey" FOREIGN KEY ("subject_id", "school_id") REFERENCES "subject"("id", "school_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- A personal invitation: an invitation whose one seat is for a person who exists already. Their role and class are the
-- person's own, so that a transfer before joining needs no change here.
ALTER TABLE "invitation" ADD COLUMN "user_id" UUID;
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "app_user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
CREATE INDEX "invitation_user_id_idx" ON "invitation"("user_id");
CREATE UNIQUE INDEX "invitation_person_open_key" ON "invitation"("user_id") WHERE "user_id" IS NOT NULL AND "revoked_at" IS NULL AND "use_count" = 0;
ALTER TABLE "invitation" DROP CONSTRAINT "invitation_class_check";
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_class_check" CHECK (
    CASE WHEN "user_id" IS NULL THEN ("role" = 'STUDENT') = ("class_id" IS NOT NULL)
         ELSE "class_id" IS NULL AND "holder_id" IS NULL AND "max_uses" = 1 END
);
